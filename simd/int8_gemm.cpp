// SPDX-License-Identifier: Apache-2.0
#include "simd/int8_gemm.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "simd/targets.h"
#include "src/core/round.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/int8_gemm.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

using I32 = hn::RebindToSigned<F32>;
using VI = hn::Vec<I32>;
constexpr I32 i32{};

constexpr std::int64_t kRowHeader = 64;  // bytes before a row's quantized values, for its scale
constexpr float kTiny = 1e-30f;          // 127 / kTiny is still finite

// How a machine multiplies. A row of activations consists of Elements; a step multiplies kGroup of
// them by the same inputs of each output in a vector and adds the products to the output's sum.
struct Words {  // pairs of 16-bit integers: any machine
  using Element = std::int16_t;
  static constexpr std::int64_t kGroup = 2;
  static constexpr std::int32_t kOffset = 0;
#if HWY_TARGET == HWY_SCALAR
  using Weights = const std::int8_t*;

  static HWY_INLINE Weights load(const std::int8_t* p) { return p; }
  static HWY_INLINE VI add(VI sum, VI x, Weights w) {
    std::int16_t pair[2];
    std::memcpy(pair, &x.raw, sizeof(pair));
    return hn::Add(sum, hn::Set(i32, pair[0] * w[0] + pair[1] * w[1]));
  }
#else
  using I16 = hn::RepartitionToNarrow<I32>;
  using Weights = hn::Vec<I16>;
  using Half = hn::Rebind<std::int8_t, I16>;

  static HWY_INLINE Weights load(const std::int8_t* p) {
    return hn::PromoteTo(I16(), hn::LoadU(Half(), p));
  }
  static HWY_INLINE VI add(VI sum, VI x, Weights w) {
    VI odd = hn::Zero(i32);
    const VI even =
        hn::ReorderWidenMulAccumulate(i32, hn::BitCast(I16(), x), w, hn::Zero(i32), odd);
    return hn::Add(sum, hn::RearrangeToOddPlusEven(even, odd));
  }
#endif
};

#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3
struct Vnni {  // four 8-bit integers, activations unsigned: AVX512_VNNI
  using Element = std::uint8_t;
  static constexpr std::int64_t kGroup = 4;
  static constexpr std::int32_t kOffset = 128;  // added to activations, taken off by the start
  using Weights = VI;

  static HWY_INLINE Weights load(const std::int8_t* p) {
    return hn::LoadU(i32, reinterpret_cast<const std::int32_t*>(p));
  }
  // In assembly, because Highway's AVX3 target is compiled without this instruction.
  static HWY_INLINE VI add(VI sum, VI x, Weights w) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(x.raw), "v"(w.raw));
    return sum;
  }
};
#endif

// Calls f with the way in which this machine multiplies.
template <class F>
HWY_INLINE auto with_dot(F&& f) {
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3
  if (has_vnni()) return f(Vnni());
#endif
  return f(Words());
}

std::int64_t panel_outputs() { return static_cast<std::int64_t>(2 * lanes()); }

std::int64_t panel_bytes(std::int64_t in, std::int64_t group) {
  return panel_outputs() * (8 + round_up(in, group));
}

Int8Layout int8_layout() {
  return with_dot([](auto dot) -> Int8Layout { return {panel_outputs(), decltype(dot)::kGroup}; });
}

// Returns max |x|. Compares bits, in which NaN is the largest.
HWY_INLINE float largest(std::int64_t n, const float* x) {
  VI most = hn::Zero(i32);
  each_vector(n, [&](std::size_t i, auto chunk) HWY_ATTR {
    most = hn::Max(most, hn::BitCast(i32, hn::Abs(chunk.load(x + i))));
  });
  return hn::GetLane(hn::BitCast(f32, hn::MaxOfLanes(i32, most)));
}

// Returns the scale; writes whole vectors of quantized values, `offset` added.
template <class Element>
HWY_INLINE float quantize(std::int64_t n, const float* x, std::int32_t offset, Element* q) {
  const hn::Rebind<Element, I32> narrow_tag;
  const float most = largest(n, x);
  const float scale = most < kTiny ? 0 : most / 127;
  const V inverse = hn::Set(f32, most < kTiny ? 0 : 127 / most);
  const VI shift = hn::Set(i32, offset);
  each_vector(n, [&](std::size_t i, auto chunk) HWY_ATTR {
    const VI rounded = hn::NearestInt(hn::Mul(chunk.load(x + i), inverse));
    hn::StoreU(hn::DemoteTo(narrow_tag, hn::Add(rounded, shift)), narrow_tag, q + i);
  });
  return scale;
}

// `row` has room for a quantized row of w, in whole vectors.
template <class Dot>
void pack_panel(std::int64_t outputs, std::int64_t in, In w, std::int8_t* row,
                std::int8_t* packed) {
  constexpr std::int64_t kGroup = Dot::kGroup;
  const std::int64_t panel = panel_outputs();
  auto* const scale = reinterpret_cast<float*>(packed);
  auto* const start = reinterpret_cast<std::int32_t*>(packed + 4 * panel);
  std::int8_t* const values = packed + 8 * panel;
  std::memset(packed, 0, static_cast<std::size_t>(panel_bytes(in, kGroup)));
  for (std::int64_t c = 0; c < outputs; ++c) {
    scale[c] = quantize(in, w[c], 0, row);
    std::int32_t sum = 0;
    for (std::int64_t k = 0; k < in; ++k) {
      values[k / kGroup * kGroup * panel + c * kGroup + k % kGroup] = row[k];
      sum += row[k];
    }
    start[c] = -Dot::kOffset * sum;
  }
}

void pack_int8_weight(std::int64_t out, std::int64_t in, In w, std::int8_t* packed) {
  std::vector<std::int8_t> row(static_cast<std::size_t>(round_up(in, panel_outputs())));
  with_dot([&](auto dot) {
    using Dot = decltype(dot);
    const std::int64_t panel = panel_outputs();
    for (std::int64_t first = 0; first < out; first += panel)
      pack_panel<Dot>(std::min(panel, out - first), in, {w[first], w.stride}, row.data(),
                      packed + first / panel * panel_bytes(in, Dot::kGroup));
    return 0;
  });
}

void unpack_int8_row(std::int64_t out, std::int64_t in, const std::int8_t* packed, float* y) {
  const auto [panel, group] = int8_layout();
  const std::int8_t* const from = packed + out / panel * panel_bytes(in, group);
  const std::int64_t c = out % panel;
  const float scale = reinterpret_cast<const float*>(from)[c];
  const std::int8_t* const values = from + 8 * panel + c * group;
  for (std::int64_t k = 0; k < in; ++k)
    y[k] = scale * static_cast<float>(values[k / group * group * panel + k % group]);
}

void quantize_rows(std::int64_t rows, std::int64_t in, In x, std::uint8_t* quantized) {
  with_dot([&](auto dot) {
    using Dot = decltype(dot);
    using Element = typename Dot::Element;
    for (std::int64_t r = 0; r < rows; ++r) {
      std::uint8_t* const row = quantized + r * simd::int8_row_bytes(in);
      *reinterpret_cast<float*>(row) =
          quantize(in, x[r], Dot::kOffset, reinterpret_cast<Element*>(row + kRowHeader));
    }
    return 0;
  });
}

// A row's values at a group of inputs, in every lane.
HWY_INLINE VI broadcast(const std::uint8_t* x) {
  std::int32_t bits;
  std::memcpy(&bits, x, sizeof(bits));
  return hn::Set(i32, bits);
}

HWY_INLINE void store_scaled(VI sum, float x_scale, const float* w_scale, float* y) {
  const V scale = hn::Mul(hn::Set(f32, x_scale), hn::Load(f32, w_scale));
  hn::StoreU(hn::Mul(hn::ConvertTo(f32, sum), scale), f32, y);
}

// y [kRows, panel] = x [kRows, groups] . panel. Twelve sums, as in packed_gemm.cpp.
template <class Dot, int kRows>
HWY_INLINE void multiply_panel(std::int64_t groups, Rows<const std::uint8_t> x,
                               const std::int8_t* HWY_RESTRICT panel, Out y) {
  static_assert(kRows >= 1 && kRows <= 6);
  constexpr std::int64_t kStep = 4;  // bytes of a group of activations
  static_assert(kStep == Dot::kGroup * sizeof(typename Dot::Element));
  const std::int64_t n = static_cast<std::int64_t>(lanes());
  const auto* const w_scale = reinterpret_cast<const float*>(panel);
  const auto* const start = reinterpret_cast<const std::int32_t*>(panel + 8 * n);
  const std::int8_t* w = panel + 16 * n;
  const VI start0 = hn::Load(i32, start), start1 = hn::Load(i32, start + n);
  VI c00 = start0, c01 = start1, c10 = start0, c11 = start1, c20 = start0, c21 = start1;
  VI c30 = start0, c31 = start1, c40 = start0, c41 = start1, c50 = start0, c51 = start1;
  // Rows past the last alias the first and are not read.
  const auto row_of = [&](int r) { return x[r < kRows ? r : 0]; };
  const std::uint8_t *x0 = row_of(0), *x1 = row_of(1), *x2 = row_of(2), *x3 = row_of(3),
                     *x4 = row_of(4), *x5 = row_of(5);
  for (std::int64_t g = 0; g < groups; ++g, w += 2 * n * Dot::kGroup) {
    const auto w0 = Dot::load(w), w1 = Dot::load(w + n * Dot::kGroup);
    const std::int64_t at = kRowHeader + g * kStep;
    const auto row = [&](const std::uint8_t* from, VI& sum0, VI& sum1) HWY_ATTR {
      const VI a = broadcast(from + at);
      sum0 = Dot::add(sum0, a, w0);
      sum1 = Dot::add(sum1, a, w1);
    };
    row(x0, c00, c01);
    if constexpr (kRows > 1) row(x1, c10, c11);
    if constexpr (kRows > 2) row(x2, c20, c21);
    if constexpr (kRows > 3) row(x3, c30, c31);
    if constexpr (kRows > 4) row(x4, c40, c41);
    if constexpr (kRows > 5) row(x5, c50, c51);
  }
  const auto finish = [&](int r, VI sum0, VI sum1) HWY_ATTR {
    if (r >= kRows) return;
    const float x_scale = *reinterpret_cast<const float*>(x[r]);
    store_scaled(sum0, x_scale, w_scale, y[r]);
    store_scaled(sum1, x_scale, w_scale + n, y[r] + n);
  };
  finish(0, c00, c01);
  finish(1, c10, c11);
  finish(2, c20, c21);
  finish(3, c30, c31);
  finish(4, c40, c41);
  finish(5, c50, c51);
}

template <class Dot>
HWY_INLINE void multiply_rows(std::int64_t rows, std::int64_t groups, Rows<const std::uint8_t> x,
                              const std::int8_t* panel, Out y) {
  switch (rows) {
    case 1:
      return multiply_panel<Dot, 1>(groups, x, panel, y);
    case 2:
      return multiply_panel<Dot, 2>(groups, x, panel, y);
    case 3:
      return multiply_panel<Dot, 3>(groups, x, panel, y);
    case 4:
      return multiply_panel<Dot, 4>(groups, x, panel, y);
    case 5:
      return multiply_panel<Dot, 5>(groups, x, panel, y);
    default:
      return multiply_panel<Dot, 6>(groups, x, panel, y);
  }
}

template <class Dot>
void multiply(std::int64_t rows, std::int64_t first_col, std::int64_t last_col, std::int64_t in,
              Rows<const std::uint8_t> x, const std::int8_t* packed, Out y) {
  constexpr std::int64_t kRows = 6;
  const std::int64_t panel = panel_outputs(), bytes = panel_bytes(in, Dot::kGroup);
  const std::int64_t groups = (in + Dot::kGroup - 1) / Dot::kGroup;
  HWY_ALIGN float edge[kRows * 2 * hn::MaxLanes(f32)];
  for (std::int64_t col = first_col; col < last_col; col += panel) {
    const std::int8_t* const from = packed + col / panel * bytes;
    const std::int64_t cols = std::min(panel, last_col - col);
    for (std::int64_t r = 0; r < rows; r += kRows) {
      const std::int64_t count = std::min(kRows, rows - r);
      const Rows<const std::uint8_t> x_rows{x[r], x.stride};
      const Out y_rows{y[r] + col, y.stride}, whole{edge, panel};
      multiply_rows<Dot>(count, groups, x_rows, from, cols == panel ? y_rows : whole);
      if (cols == panel) continue;
      for (std::int64_t i = 0; i < count; ++i) std::copy_n(whole[i], cols, y_rows[i]);
    }
  }
}

void int8_gemm(std::int64_t rows, std::int64_t first_col, std::int64_t last_col, std::int64_t in,
               const std::uint8_t* x, const std::int8_t* packed, Out y) {
  with_dot([&](auto dot) {
    multiply<decltype(dot)>(rows, first_col, last_col, in, {x, simd::int8_row_bytes(in)}, packed,
                            y);
    return 0;
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(int8_layout);
decltype(int8_layout) int8_layout = dispatch<HWY_DISPATCH_TABLE(int8_layout)>;
HWY_EXPORT(pack_int8_weight);
decltype(pack_int8_weight) pack_int8_weight = dispatch<HWY_DISPATCH_TABLE(pack_int8_weight)>;
HWY_EXPORT(unpack_int8_row);
decltype(unpack_int8_row) unpack_int8_row = dispatch<HWY_DISPATCH_TABLE(unpack_int8_row)>;
HWY_EXPORT(quantize_rows);
decltype(quantize_rows) quantize_rows = dispatch<HWY_DISPATCH_TABLE(quantize_rows)>;
HWY_EXPORT(int8_gemm);
decltype(int8_gemm) int8_gemm = dispatch<HWY_DISPATCH_TABLE(int8_gemm)>;

std::int64_t int8_weight_bytes(std::int64_t out, std::int64_t in) {
  const auto [panel, group] = int8_layout();
  return round_up(out, panel) * (8 + round_up(in, group));
}

// The header and two bytes per input, whichever way the machine multiplies.
std::int64_t int8_row_bytes(std::int64_t in) { return 64 + 2 * round_up<std::int64_t>(in, 64); }

}  // namespace switchyard::simd
#endif
