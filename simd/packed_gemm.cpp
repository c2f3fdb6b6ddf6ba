// SPDX-License-Identifier: Apache-2.0
#include "simd/packed_gemm.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/packed_gemm.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

std::int64_t packed_gemm_panel() { return static_cast<std::int64_t>(2 * lanes()); }

void pack_weight(std::int64_t out, std::int64_t in, In w, float* packed) {
  const std::int64_t panel = packed_gemm_panel();
  for (std::int64_t first = 0; first < out; first += panel) {
    const std::int64_t cols = std::min(panel, out - first);
    for (std::int64_t k = 0; k < in; ++k) {
      for (std::int64_t c = 0; c < cols; ++c) packed[c] = w[first + c][k];
      std::fill(packed + cols, packed + panel, 0.0f);
      packed += panel;
    }
  }
}

// c [kRows, panel] = x [kRows, depth] . panel [depth, panel], or += if `add`. Twelve sums and two
// vectors of the weight fill the sixteen registers of SSE4 and AVX2, and twelve chains hide the
// latency of the multiply-add.
template <int kRows>
HWY_INLINE void multiply_panel(std::int64_t depth, bool add, In x, const float* HWY_RESTRICT panel,
                               Out c) {
  static_assert(kRows >= 1 && kRows <= 6);
  const std::size_t n = lanes();
  const V zero = hn::Zero(f32);
  const auto start = [&](int row, std::size_t col) HWY_ATTR {
    return add && row < kRows ? hn::LoadU(f32, c[row] + col) : zero;
  };
  V c00 = start(0, 0), c01 = start(0, n);
  V c10 = start(1, 0), c11 = start(1, n);
  V c20 = start(2, 0), c21 = start(2, n);
  V c30 = start(3, 0), c31 = start(3, n);
  V c40 = start(4, 0), c41 = start(4, n);
  V c50 = start(5, 0), c51 = start(5, n);
  // Rows past the last alias the first and are not read.
  const float *x0 = x[0], *x1 = kRows > 1 ? x[1] : x0, *x2 = kRows > 2 ? x[2] : x0,
              *x3 = kRows > 3 ? x[3] : x0, *x4 = kRows > 4 ? x[4] : x0, *x5 = kRows > 5 ? x[5] : x0;
  const auto row = [](const float* from, std::int64_t k, V b0, V b1, V& sum0, V& sum1) HWY_ATTR {
    const V a = hn::Set(f32, from[k]);
    sum0 = hn::MulAdd(a, b0, sum0);
    sum1 = hn::MulAdd(a, b1, sum1);
  };
  for (std::int64_t k = 0; k < depth; ++k, panel += 2 * n) {
    const V b0 = hn::Load(f32, panel), b1 = hn::Load(f32, panel + n);
    row(x0, k, b0, b1, c00, c01);
    if constexpr (kRows > 1) row(x1, k, b0, b1, c10, c11);
    if constexpr (kRows > 2) row(x2, k, b0, b1, c20, c21);
    if constexpr (kRows > 3) row(x3, k, b0, b1, c30, c31);
    if constexpr (kRows > 4) row(x4, k, b0, b1, c40, c41);
    if constexpr (kRows > 5) row(x5, k, b0, b1, c50, c51);
  }
  const auto finish = [&](int r, V sum0, V sum1) HWY_ATTR {
    if (r >= kRows) return;
    hn::StoreU(sum0, f32, c[r]);
    hn::StoreU(sum1, f32, c[r] + n);
  };
  finish(0, c00, c01);
  finish(1, c10, c11);
  finish(2, c20, c21);
  finish(3, c30, c31);
  finish(4, c40, c41);
  finish(5, c50, c51);
}

// One row by four panels: as many sums in flight as for four rows by one panel.
HWY_INLINE void multiply_four_panels(std::int64_t depth, bool add, const float* HWY_RESTRICT x,
                                     const float* HWY_RESTRICT panel, std::int64_t panel_size,
                                     float* HWY_RESTRICT c) {
  const std::size_t n = lanes();
  const V zero = hn::Zero(f32);
  const auto start = [&](std::size_t i) HWY_ATTR { return add ? hn::LoadU(f32, c + i * n) : zero; };
  V c0 = start(0), c1 = start(1), c2 = start(2), c3 = start(3);
  V c4 = start(4), c5 = start(5), c6 = start(6), c7 = start(7);
  const float *p1 = panel + panel_size, *p2 = p1 + panel_size, *p3 = p2 + panel_size;
  for (std::int64_t k = 0; k < depth; ++k) {
    const V a = hn::Set(f32, x[k]);
    const std::size_t i = static_cast<std::size_t>(k) * 2 * n;
    c0 = hn::MulAdd(a, hn::Load(f32, panel + i), c0);
    c1 = hn::MulAdd(a, hn::Load(f32, panel + i + n), c1);
    c2 = hn::MulAdd(a, hn::Load(f32, p1 + i), c2);
    c3 = hn::MulAdd(a, hn::Load(f32, p1 + i + n), c3);
    c4 = hn::MulAdd(a, hn::Load(f32, p2 + i), c4);
    c5 = hn::MulAdd(a, hn::Load(f32, p2 + i + n), c5);
    c6 = hn::MulAdd(a, hn::Load(f32, p3 + i), c6);
    c7 = hn::MulAdd(a, hn::Load(f32, p3 + i + n), c7);
  }
  hn::StoreU(c0, f32, c);
  hn::StoreU(c1, f32, c + n);
  hn::StoreU(c2, f32, c + 2 * n);
  hn::StoreU(c3, f32, c + 3 * n);
  hn::StoreU(c4, f32, c + 4 * n);
  hn::StoreU(c5, f32, c + 5 * n);
  hn::StoreU(c6, f32, c + 6 * n);
  hn::StoreU(c7, f32, c + 7 * n);
}

HWY_INLINE void multiply_rows(std::int64_t rows, std::int64_t depth, bool add, In x,
                              const float* panel, Out c) {
  switch (rows) {
    case 1:
      return multiply_panel<1>(depth, add, x, panel, c);
    case 2:
      return multiply_panel<2>(depth, add, x, panel, c);
    case 3:
      return multiply_panel<3>(depth, add, x, panel, c);
    case 4:
      return multiply_panel<4>(depth, add, x, panel, c);
    case 5:
      return multiply_panel<5>(depth, add, x, panel, c);
    default:
      return multiply_panel<6>(depth, add, x, panel, c);
  }
}

void packed_gemm(std::int64_t rows, std::int64_t first_col, std::int64_t last_col, std::int64_t in,
                 In x, const float* packed, Out y) {
  // One piece of a panel stays in the L1 cache while all rows pass over it. Between pieces, the
  // sums are kept in y, which does not change the result.
  constexpr std::int64_t kDepth = 256, kRows = 6;
  const std::int64_t panel = packed_gemm_panel();
  HWY_ALIGN float edge[kRows * 2 * hn::MaxLanes(f32)] = {};
  for (std::int64_t k = 0; k < in || k == 0; k += kDepth) {
    const std::int64_t depth = std::min(kDepth, in - k);
    for (std::int64_t col = first_col; col < last_col; col += panel) {
      const float* from = packed + col * in + k * panel;
      if (rows == 1 && col + 4 * panel <= last_col) {
        multiply_four_panels(depth, k > 0, x[0] + k, from, panel * in, y[0] + col);
        col += 3 * panel;
        continue;
      }
      const std::int64_t cols = std::min(panel, last_col - col);
      for (std::int64_t r = 0; r < rows; r += kRows) {
        const std::int64_t count = std::min(kRows, rows - r);
        const In x_rows{x[r] + k, x.stride};
        const Out y_rows{y[r] + col, y.stride};
        if (cols == panel) {
          multiply_rows(count, depth, k > 0, x_rows, from, y_rows);
          continue;
        }
        const Out whole{edge, panel};  // the last panel's outputs and its padding
        for (std::int64_t i = 0; i < count; ++i) std::copy_n(y_rows[i], cols, whole[i]);
        multiply_rows(count, depth, k > 0, x_rows, from, whole);
        for (std::int64_t i = 0; i < count; ++i) std::copy_n(whole[i], cols, y_rows[i]);
      }
    }
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
