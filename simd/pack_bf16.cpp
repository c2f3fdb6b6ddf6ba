// SPDX-License-Identifier: Apache-2.0
#include "simd/pack_bf16.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/pack_bf16.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/common-inl.h"
#include "simd/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

// A pair of rows of b: 64 columns, each a 32-bit value.
constexpr std::int64_t kPairs = kBf16PanelCols;

// v rounded to bfloat16, in the upper half of each lane.
HWY_INLINE VU upper_halves(V v, const float*) {
  return hn::ShiftLeft<16>(hn::PromoteTo(u32, narrow(v)));
}
HWY_INLINE VU upper_halves(V v, const Bf16*) { return hn::BitCast(u32, v); }

template <class T>
void pack_typed(std::int64_t k, std::int64_t n, Rows<T> b, std::int64_t panel, Bf16* packed) {
  const std::int64_t first = panel * kBf16PanelCols;
  const std::int64_t cols = std::min(kBf16PanelCols, n - first);
  const std::int64_t pair_rows = packed_bf16_panel_size(k) / (2 * kBf16PanelCols);
  auto* to = reinterpret_cast<std::uint32_t*>(packed);
  for (std::int64_t pair = 0; pair < pair_rows; ++pair, to += kPairs) {
    const std::int64_t row = 2 * pair;
    if (row >= k || cols < kBf16PanelCols) std::fill_n(to, kPairs, 0u);
    if (row >= k) continue;
    const T* low = b[row] + first;
    const T* high = row + 1 < k ? b[row + 1] + first : nullptr;
    each_vector(cols, [&](std::size_t i, auto chunk) HWY_ATTR {
      const VU low_bits = hn::ShiftRight<16>(upper_halves(chunk.load(low + i), low));
      const VU high_bits = high ? upper_halves(chunk.load(high + i), high) : hn::Zero(u32);
      const VU both = hn::Or(low_bits, high_bits);
      chunk.store(hn::BitCast(f32, both), reinterpret_cast<float*>(to) + i);
    });
  }
}

void pack_bf16(std::int64_t k, std::int64_t n, AnyIn b, std::int64_t panel, Bf16* packed) {
  with_rows(b, [&](auto rows) { pack_typed(k, n, rows, panel, packed); });
}

// to [4][to_stride] = from [4][from_stride]^T, 32-bit values.
HWY_INLINE void transpose_4x4(const float* from, std::int64_t from_stride, float* to,
                              std::int64_t to_stride) {
#if HWY_TARGET == HWY_SCALAR
  for (std::int64_t r = 0; r < 4; ++r)
    for (std::int64_t c = 0; c < 4; ++c) to[c * to_stride + r] = from[r * from_stride + c];
#else
  const hn::FixedTag<float, 4> four;
  auto x0 = hn::LoadU(four, from), x1 = hn::LoadU(four, from + from_stride);
  auto x2 = hn::LoadU(four, from + 2 * from_stride), x3 = hn::LoadU(four, from + 3 * from_stride);
  transpose_4x4(x0, x1, x2, x3);
  hn::StoreU(x0, four, to);
  hn::StoreU(x1, four, to + to_stride);
  hn::StoreU(x2, four, to + 2 * to_stride);
  hn::StoreU(x3, four, to + 3 * to_stride);
#endif
}

void pack_bf16_transposed(std::int64_t k, std::int64_t n, In w, std::int64_t panel, Bf16* packed) {
  const std::int64_t first = panel * kBf16PanelCols;
  const std::int64_t cols = std::min(kBf16PanelCols, n - first);
  // A rounded row of w already consists of pairs along k; only the transposition remains.
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

// y [8][y.stride] = x [8][x.stride]^T: three rounds of interleaving, by 2, 4 and 8 elements.
HWY_INLINE void transpose_8x8(Rows<const Bf16> x, Rows<Bf16> y) {
#if HWY_TARGET == HWY_SCALAR
  for (std::int64_t r = 0; r < 8; ++r)
    for (std::int64_t c = 0; c < 8; ++c) y[c][r] = x[r][c];
#else
  const hn::FixedTag<std::uint16_t, 8> eight;
  const hn::FixedTag<std::uint32_t, 4> four;
  const hn::FixedTag<std::uint64_t, 2> two;
  const auto load = [&](std::int64_t row) HWY_ATTR { return hn::LoadU(eight, &x[row]->bits); };
  const auto low = [](auto d, auto a, auto b) HWY_ATTR {
    return hn::InterleaveLower(d, hn::BitCast(d, a), hn::BitCast(d, b));
  };
  const auto high = [](auto d, auto a, auto b) HWY_ATTR {
    return hn::InterleaveUpper(d, hn::BitCast(d, a), hn::BitCast(d, b));
  };
  const auto x0 = load(0), x1 = load(1), x2 = load(2), x3 = load(3);
  const auto x4 = load(4), x5 = load(5), x6 = load(6), x7 = load(7);
  // Pairs of rows: columns 0-3 (a) and 4-7 (b).
  const auto a01 = low(eight, x0, x1), b01 = high(eight, x0, x1);
  const auto a23 = low(eight, x2, x3), b23 = high(eight, x2, x3);
  const auto a45 = low(eight, x4, x5), b45 = high(eight, x4, x5);
  const auto a67 = low(eight, x6, x7), b67 = high(eight, x6, x7);
  // Four rows of two columns per vector, then all eight rows of each column.
  const auto store = [&](std::int64_t col, auto top, auto bottom) HWY_ATTR {
    hn::StoreU(hn::BitCast(eight, low(two, top, bottom)), eight, &y[col]->bits);
    hn::StoreU(hn::BitCast(eight, high(two, top, bottom)), eight, &y[col + 1]->bits);
  };
  store(0, low(four, a01, a23), low(four, a45, a67));
  store(2, high(four, a01, a23), high(four, a45, a67));
  store(4, low(four, b01, b23), low(four, b45, b67));
  store(6, high(four, b01, b23), high(four, b45, b67));
#endif
}

void transpose_bf16(std::int64_t rows, std::int64_t cols, Rows<const Bf16> x, Rows<Bf16> y) {
  // One cache line of each row of y at a time. Strides are often a multiple of 1 KiB, so few lines
  // of x fit in the L1 cache together; those of 32 rows do.
  constexpr std::int64_t kLine = 32;
  const std::int64_t whole_rows = rows / 8 * 8, whole_cols = cols / 8 * 8;
  for (std::int64_t line = 0; line < whole_rows; line += kLine)
    for (std::int64_t c = 0; c < whole_cols; c += 8)
      for (std::int64_t r = line; r < std::min(line + kLine, whole_rows); r += 8)
        transpose_8x8({x[r] + c, x.stride}, {y[c] + r, y.stride});
  for (std::int64_t c = 0; c < cols; ++c)
    for (std::int64_t r = c < whole_cols ? whole_rows : 0; r < rows; ++r) y[c][r] = x[r][c];
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(pack_bf16);
decltype(pack_bf16) pack_bf16 = dispatch<HWY_DISPATCH_TABLE(pack_bf16)>;
HWY_EXPORT(pack_bf16_transposed);
decltype(pack_bf16_transposed) pack_bf16_transposed =
    dispatch<HWY_DISPATCH_TABLE(pack_bf16_transposed)>;
HWY_EXPORT(transpose_bf16);
decltype(transpose_bf16) transpose_bf16 = dispatch<HWY_DISPATCH_TABLE(transpose_bf16)>;

}  // namespace switchyard::simd
#endif
