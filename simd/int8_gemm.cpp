// SPDX-License-Identifier: Apache-2.0
#include "simd/int8_gemm.h"

#include <algorithm>
#include <cstring>

#include "simd/amx.h"
#include "simd/targets.h"
#include "src/core/round.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/int8_gemm.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/common-inl.h"
#include "simd/dot_gemm-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

constexpr std::int64_t kRowHeader = 64;      // bytes before a row's quantized values, for its scale
constexpr std::int64_t kFewestTileRows = 2;  // fewer are faster without AMX
constexpr float kTiny = 1e-30f;              // 127 / kTiny is still finite

// The multiplications of a Dot.
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

#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2
struct Vnni {  // four 8-bit integers, activations unsigned: AVX512_VNNI, AVX_VNNI
  using Element = std::uint8_t;
  static constexpr std::int64_t kGroup = 4;
  static constexpr std::int32_t kOffset = 128;  // added to activations, taken off by the start
  using Weights = VI;

  static HWY_INLINE Weights load(const std::int8_t* p) {
    return hn::LoadU(i32, reinterpret_cast<const std::int32_t*>(p));
  }
  // In assembly, because the targets are compiled without this instruction.
  static HWY_INLINE VI add(VI sum, VI x, Weights w) {
#if HWY_TARGET == HWY_AVX2
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum.raw) : "x"(x.raw), "x"(w.raw));
#else
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(x.raw), "v"(w.raw));
#endif
    return sum;
  }
};

HWY_INLINE bool has_vnni() { return HWY_TARGET == HWY_AVX2 ? has_avx_vnni() : has_avx512_vnni(); }
#endif

// Calls f with this machine's multiplications.
template <class F>
HWY_INLINE auto with_dot(F&& f) {
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2
  if (has_vnni()) return f(Vnni());
#endif
  return f(Words());
}

HWY_INLINE std::int64_t panel_outputs() { return static_cast<std::int64_t>(2 * lanes()); }

std::int64_t panel_bytes(std::int64_t in, std::int64_t group) {
  return panel_outputs() * (8 + round_up(in, group));
}

Int8Layout int8_layout() {
  return with_dot([](auto dot) HWY_ATTR -> Int8Layout {
    return {panel_outputs(), decltype(dot)::kGroup};
  });
}

// Returns max |x|, or NaN if an element is NaN: compared as integers, NaN is the largest.
HWY_INLINE float largest(std::int64_t n, const float* x) {
  const std::size_t step = lanes();
  const auto larger = [&](VI most, std::size_t i, auto chunk) HWY_ATTR {
    return hn::Max(most, hn::BitCast(i32, hn::Abs(chunk.load(x + i))));
  };
  VI m0 = hn::Zero(i32), m1 = m0, m2 = m0, m3 = m0;  // four, to hide the latency
  std::size_t i = 0;
  for (; i + 4 * step <= static_cast<std::size_t>(n); i += 4 * step) {
    m0 = larger(m0, i, Whole());
    m1 = larger(m1, i + step, Whole());
    m2 = larger(m2, i + 2 * step, Whole());
    m3 = larger(m3, i + 3 * step, Whole());
  }
  each_vector(n - static_cast<std::int64_t>(i),
              [&](std::size_t j, auto chunk) HWY_ATTR { m0 = larger(m0, i + j, chunk); });
  const VI most = hn::Max(hn::Max(m0, m1), hn::Max(m2, m3));
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

void pack_int8_weight(std::int64_t out, std::int64_t in, In w, std::int8_t* row,
                      std::int8_t* packed) {
  with_dot([&](auto dot) HWY_ATTR {
    using Dot = decltype(dot);
    const std::int64_t panel = panel_outputs();
    for (std::int64_t first = 0; first < out; first += panel)
      pack_panel<Dot>(std::min(panel, out - first), in, {w[first], w.stride}, row,
                      packed + first / panel * panel_bytes(in, Dot::kGroup));
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
  with_dot([&](auto dot) HWY_ATTR {
    using Dot = decltype(dot);
    using Element = typename Dot::Element;
    for (std::int64_t r = 0; r < rows; ++r) {
      std::uint8_t* const row = quantized + r * simd::int8_row_bytes(in);
      *reinterpret_cast<float*>(row) =
          quantize(in, x[r], Dot::kOffset, reinterpret_cast<Element*>(row + kRowHeader));
    }
  });
}

// A Dot on one panel.
template <class Machine>
struct PanelDot : Machine {
  static constexpr std::int64_t kHeader = kRowHeader;
  const std::int8_t* panel;
  std::int64_t bytes;  // of a panel

  PanelDot(const std::int8_t* from, std::int64_t panel_bytes) : panel(from), bytes(panel_bytes) {}
  HWY_INLINE VI start(std::int64_t v, const float*) const {
    return hn::Load(i32,
                    reinterpret_cast<const std::int32_t*>(panel + 4 * panel_outputs()) + at(v));
  }
  HWY_INLINE const std::int8_t* group(std::int64_t g) const {
    return panel + (8 + g * Machine::kGroup) * panel_outputs();
  }
  HWY_INLINE auto weights(std::int64_t g, std::int64_t v) const {
    return Machine::load(group(g) + at(v) * Machine::kGroup);
  }
  HWY_INLINE void prefetch(std::int64_t g) const {
    hwy::Prefetch(group(g) + bytes);
    if constexpr (Machine::kGroup == 4) hwy::Prefetch(group(g) + bytes + 64);
  }
  HWY_INLINE void store(VI sum, const std::uint8_t* row, std::int64_t v, float* y) const {
    const float* const scales = reinterpret_cast<const float*>(panel) + at(v);
    const V row_scale = hn::Set(f32, *reinterpret_cast<const float*>(row));
    const V scale = hn::Mul(row_scale, hn::Load(f32, scales));
    hn::StoreU(hn::Mul(hn::ConvertTo(f32, sum), scale), f32, y);
  }
  static HWY_INLINE std::int64_t at(std::int64_t v) {
    return v * static_cast<std::int64_t>(lanes());
  }
};

#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3
// The same by tiles, which read the layout of Vnni.
void tile_gemm(std::int64_t rows, std::int64_t first_col, std::int64_t last_col, std::int64_t in,
               Rows<const std::uint8_t> x, const std::int8_t* packed, Out y) {
  const std::int64_t panel = panel_outputs(), bytes = panel_bytes(in, Vnni::kGroup);
  HWY_ALIGN std::int32_t sums[kAmxRows * kAmxCols];
  HWY_ALIGN float edge[kAmxCols];  // the last outputs and their padding
  for (std::int64_t first = 0; first < rows; first += kAmxRows) {
    const std::int64_t count = std::min(kAmxRows, rows - first);
    const AmxTiles tiles(count);
    for (std::int64_t col = first_col; col < last_col; col += panel) {
      const PanelDot<Vnni> dot(packed + col / panel * bytes, bytes);
      tiles.multiply(in, x[first] + kRowHeader, x.stride, dot.group(0), bytes, sums);
      const std::int64_t cols = std::min(panel, last_col - col);
      for (std::int64_t r = 0; r < count; ++r) {
        float* const to = cols == panel ? y[first + r] + col : edge;
        for (const std::int64_t v : {0, 1}) {
          const VI sum = hn::Load(i32, sums + r * kAmxCols + dot.at(v));
          dot.store(hn::Add(dot.start(v, to), sum), x[first + r], v, to + dot.at(v));
        }
        if (cols < panel) std::copy_n(edge, cols, y[first + r] + col);
      }
    }
  }
}
#endif

void int8_gemm(std::int64_t rows, std::int64_t first_col, std::int64_t last_col, std::int64_t in,
               const std::uint8_t* x, const std::int8_t* packed, Out y) {
  const Rows<const std::uint8_t> x_rows{x, simd::int8_row_bytes(in)};
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3
  if (rows >= kFewestTileRows && in % kAmxInputs == 0 && has_amx_int8())
    return tile_gemm(rows, first_col, last_col, in, x_rows, packed, y);
#endif
  with_dot([&](auto machine) HWY_ATTR {
    using Machine = decltype(machine);
    const std::int64_t bytes = panel_bytes(in, Machine::kGroup);
    dot_gemm(rows, first_col, last_col, in, x_rows, y, [&](std::int64_t col) HWY_ATTR {
      return PanelDot<Machine>(packed + col / panel_outputs() * bytes, bytes);
    });
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
