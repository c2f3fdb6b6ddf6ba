// SPDX-License-Identifier: Apache-2.0
#include "simd/packed_gemm.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/packed_gemm.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/common-inl.h"
#include "simd/dot_gemm-inl.h"
#include "simd/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

std::int64_t packed_gemm_panel() { return static_cast<std::int64_t>(2 * lanes()); }

void pack_weight(std::int64_t out, std::int64_t in, In w, float* packed) {
  constexpr std::int64_t kInputs = 128;  // whose part of a panel stays in the L1 cache
  const std::int64_t panel = packed_gemm_panel();
  for (std::int64_t first = 0; first < out; first += panel) {
    for (std::int64_t k = 0; k < in; k += kInputs) {
      const std::int64_t inputs = std::min(kInputs, in - k);
      transpose(std::min(panel, out - first), inputs, {w[first] + k, w.stride}, panel,
                {packed, panel});
      packed += inputs * panel;
    }
  }
}

// A Dot on a piece of a panel, which adds to the sums in y if it is not the panel's first.
struct FloatDot {
  using Element = float;
  static constexpr Tile kTile = kTallTile;
  static constexpr std::int64_t kGroup = 1, kHeader = 0, kStep = 4;
  const float *piece, *next;
  bool add_to_y;

  HWY_INLINE V start(std::int64_t, const float* y) const {
    return add_to_y ? hn::LoadU(f32, y) : hn::Zero(f32);
  }
  HWY_INLINE V weights(std::int64_t g, std::int64_t v) const {
    return hn::Load(f32, piece + (2 * g + v) * std::int64_t(lanes()));
  }
  HWY_INLINE void prefetch(std::int64_t g) const {
    hwy::Prefetch(next + 2 * g * std::int64_t(lanes()));
    if (lanes() == 16) hwy::Prefetch(next + 2 * g * std::int64_t(lanes()) + 16);
  }
  static HWY_INLINE V inputs(const std::uint8_t* group, std::size_t bytes) {
    return hn::BitCast(f32, broadcast(group, bytes));
  }
  static HWY_INLINE V add(V sum, V x, V w) { return hn::MulAdd(x, w, sum); }
  HWY_INLINE void store(V sum, const std::uint8_t*, std::int64_t, float* y) const {
    hn::StoreU(sum, f32, y);
  }
};

void packed_gemm(std::int64_t rows, std::int64_t first_col, std::int64_t last_col, std::int64_t in,
                 In x, const float* packed, Out y) {
  // One piece of a panel stays in the L1 cache while all rows pass over it. Between pieces, the
  // sums are kept in y, which does not change the result.
  constexpr std::int64_t kDepth = 512;
  const std::int64_t panel = packed_gemm_panel();
  for (std::int64_t k = 0; k < in || k == 0; k += kDepth) {
    const Rows<const std::uint8_t> x_piece{reinterpret_cast<const std::uint8_t*>(x[0] + k),
                                           x.stride * std::int64_t(sizeof(float))};
    dot_gemm(rows, first_col, last_col, std::min(kDepth, in - k), x_piece, y,
             [&](std::int64_t col) HWY_ATTR {
               const float* const piece = packed + col * in + k * panel;
               return FloatDot{.piece = piece, .next = piece + panel * in, .add_to_y = k > 0};
             });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(packed_gemm_panel);
decltype(packed_gemm_panel) packed_gemm_panel = dispatch<HWY_DISPATCH_TABLE(packed_gemm_panel)>;
HWY_EXPORT(pack_weight);
decltype(pack_weight) pack_weight = dispatch<HWY_DISPATCH_TABLE(pack_weight)>;
HWY_EXPORT(packed_gemm);
decltype(packed_gemm) packed_gemm = dispatch<HWY_DISPATCH_TABLE(packed_gemm)>;

std::int64_t packed_gemm_floats(std::int64_t out, std::int64_t in) {
  const std::int64_t panel = packed_gemm_panel();
  return (out + panel - 1) / panel * panel * in;
}

void unpack_weight_row(std::int64_t out, std::int64_t in, const float* packed, float* y) {
  const std::int64_t panel = packed_gemm_panel();
  const float* const from = packed + out / panel * panel * in + out % panel;
  for (std::int64_t k = 0; k < in; ++k) y[k] = from[k * panel];
}

}  // namespace switchyard::simd
#endif
