// SPDX-License-Identifier: Apache-2.0
#include "simd/pack_bf16.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/pack_bf16.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

// A row of pairs: 64 columns of two rows of b, as 32-bit values.
constexpr std::int64_t kPairs = kBf16PanelCols;

void pack_bf16(std::int64_t k, std::int64_t n, In b, std::int64_t panel, Bf16* packed) {
  const std::int64_t first = panel * kBf16PanelCols;
  const std::int64_t cols = std::min(kBf16PanelCols, n - first);
  const std::int64_t pair_rows = packed_bf16_panel_size(k) / (2 * kBf16PanelCols);
  auto* to = reinterpret_cast<std::uint32_t*>(packed);
  for (std::int64_t pair = 0; pair < pair_rows; ++pair, to += kPairs) {
    const std::int64_t row = 2 * pair;
    if (row >= k || cols < kBf16PanelCols) std::fill_n(to, kPairs, 0u);
    if (row >= k) continue;
    const float* low = b[row] + first;
    const float* high = row + 1 < k ? b[row + 1] + first : nullptr;
    each_vector(cols, [&](std::size_t i, auto chunk) HWY_ATTR {
      const VU low_bits = hn::PromoteTo(u32, narrow(chunk.load(low + i)));
      const VU high_bits = high ? hn::PromoteTo(u32, narrow(chunk.load(high + i))) : hn::Zero(u32);
      const VU both = hn::Or(low_bits, hn::ShiftLeft<16>(high_bits));
      chunk.store(hn::BitCast(f32, both), reinterpret_cast<float*>(to) + i);
    });
  }
}

// to [4][to_stride] = from [4][from_stride]^T, 32-bit values.
HWY_INLINE void transpose_4x4(const float* from, std::int64_t from_stride, float* to,
                              std::int64_t to_stride) {
#if HWY_TARGET == HWY_SCALAR
  for (std::int64_t r = 0; r < 4; ++r)
    for (std::int64_t c = 0; c < 4; ++c) to[c * to_stride + r] = from[r * from_stride + c];
#else
  const hn::FixedTag<float, 4> four;
  const hn::RepartitionToWide<decltype(four)> two;
  const auto x0 = hn::LoadU(four, from), x1 = hn::LoadU(four, from + from_stride);
  const auto x2 = hn::LoadU(four, from + 2 * from_stride);
  const auto x3 = hn::LoadU(four, from + 3 * from_stride);
  const auto low01 = hn::BitCast(two, hn::InterleaveLower(four, x0, x1));
  const auto low23 = hn::BitCast(two, hn::InterleaveLower(four, x2, x3));
  const auto high01 = hn::BitCast(two, hn::InterleaveUpper(four, x0, x1));
  const auto high23 = hn::BitCast(two, hn::InterleaveUpper(four, x2, x3));
  hn::StoreU(hn::BitCast(four, hn::InterleaveLower(two, low01, low23)), four, to);
  hn::StoreU(hn::BitCast(four, hn::InterleaveUpper(two, low01, low23)), four, to + to_stride);
  hn::StoreU(hn::BitCast(four, hn::InterleaveLower(two, high01, high23)), four, to + 2 * to_stride);
  hn::StoreU(hn::BitCast(four, hn::InterleaveUpper(two, high01, high23)), four, to + 3 * to_stride);
#endif
}

void pack_bf16_transposed(std::int64_t k, std::int64_t n, In w, std::int64_t panel, Bf16* packed) {
  const std::int64_t first = panel * kBf16PanelCols;
  const std::int64_t cols = std::min(kBf16PanelCols, n - first);
  // A row of w rounded is a row of pairs along k: what is left is to transpose them.
  constexpr std::int64_t kBlock = kBf16PanelRows / 2;
  HWY_ALIGN Bf16 block[kBf16PanelCols * kBf16PanelRows];
  std::fill(std::begin(block), std::end(block), Bf16{0});
  const auto* pairs = reinterpret_cast<const float*>(block);
  auto* to = reinterpret_cast<float*>(packed);
  for (std::int64_t row = 0; row < k; row += kBf16PanelRows, to += kBlock * kPairs) {
    const std::int64_t rows = std::min(kBf16PanelRows, k - row);
    for (std::int64_t c = 0; c < cols; ++c) {
      const float* from = w[first + c] + row;
      Bf16* rounded = block + c * kBf16PanelRows;
      if (rows < kBf16PanelRows) std::fill_n(rounded, kBf16PanelRows, Bf16{0});
      each_vector(rows, [&](std::size_t i, auto chunk)
                            HWY_ATTR { chunk.store(chunk.load(from + i), rounded + i); });
    }
    for (std::int64_t r = 0; r < kBlock; r += 4)
      for (std::int64_t c = 0; c < kBf16PanelCols; c += 4)
        transpose_4x4(pairs + c * kBlock + r, kBlock, to + r * kPairs + c, kPairs);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(pack_bf16);
HWY_EXPORT(pack_bf16_transposed);

void pack_bf16(std::int64_t k, std::int64_t n, In b, std::int64_t panel, Bf16* packed) {
  HWY_DYNAMIC_DISPATCH(pack_bf16)(k, n, b, panel, packed);
}

void pack_bf16_transposed(std::int64_t k, std::int64_t n, In w, std::int64_t panel, Bf16* packed) {
  HWY_DYNAMIC_DISPATCH(pack_bf16_transposed)(k, n, w, panel, packed);
}

}  // namespace switchyard::simd
#endif
