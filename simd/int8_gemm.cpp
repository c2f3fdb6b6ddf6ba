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
#include "simd/int8_dot-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

constexpr std::int64_t kRowHeader = 64;      // bytes before a row's quantized values
constexpr std::int64_t kFewestTileRows = 2;  // fewer are faster without AMX

HWY_INLINE std::int64_t panel_outputs() { return static_cast<std::int64_t>(2 * lanes()); }

std::int64_t panel_bytes(std::int64_t in, std::int64_t group) {
  return panel_outputs() * (8 + round_up(in, group));
}

Int8Layout int8_layout() {
  return with_dot([](auto dot) HWY_ATTR -> Int8Layout {
    return {panel_outputs(), decltype(dot)::kGroup};
  });
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
    for (std::int64_t r = 0; r < rows; ++r) {
      std::uint8_t* const row = quantized + r * simd::int8_row_bytes(in);
      dot.quantize_row(in, x[r], *reinterpret_cast<RowHeader*>(row), row + kRowHeader);
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
    const auto* const starts = reinterpret_cast<const std::int32_t*>(panel + 4 * panel_outputs());
    return Machine::start(hn::Load(i32, starts + at(v)));
  }
  HWY_INLINE const std::int8_t* group(std::int64_t g) const {
    return panel + (8 + g * Machine::kGroup) * panel_outputs();
  }
  HWY_INLINE auto weights(std::int64_t g, std::int64_t v) const {
    return Machine::load(group(g) + at(v) * Machine::kGroup);
  }
  HWY_INLINE void prefetch(std::int64_t g) const {
    hwy::Prefetch(group(g) + bytes);
    if (Machine::kGroup * panel_outputs() > 64) hwy::Prefetch(group(g) + bytes + 64);
  }
  HWY_INLINE void store(VI sum, const std::uint8_t* row, std::int64_t v, float* y) const {
    const auto& header = *reinterpret_cast<const RowHeader*>(row);
    const float* const scales = reinterpret_cast<const float*>(panel) + at(v);
    const V scale = hn::Mul(hn::Set(f32, header.scale), hn::Load(f32, scales));
    const VI total = Machine::total(sum, header);
    hn::StoreU(hn::Mul(hn::ConvertTo(f32, total), scale), f32, y);
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
