// SPDX-License-Identifier: Apache-2.0
// Register tiles for matmuls of activations with a weight in panels of two vectors of outputs. An
// instruction multiplies a group of neighboring inputs (4 int8, 2 bfloat16, 1 float) of each output
// in a vector and adds the products to the output's sum. What the instruction is, and how weights,
// activations and sums are stored, is up to a Dot, which knows one panel:
//
//   static constexpr Tile kTile;                        // the largest
//   using Element;                                      // of a row of activations
//   static constexpr std::int64_t kGroup;               // elements of a group
//   static constexpr std::int64_t kHeader, kStep;       // bytes before a row's groups, per group
//   Sum start(std::int64_t v, const T* y) const;        // the sums of vector v, 0 or 1, of y
//   Weights weights(std::int64_t g, std::int64_t v) const;  // of group g
//   void prefetch(std::int64_t g) const;                // those of the next panel
//   static Inputs inputs(const std::uint8_t* group, std::size_t bytes);
//   static Sum add(Sum, Inputs, Weights);
//   void store(Sum, const std::uint8_t* row, std::int64_t v, T* y) const;  // row: the activations
//
// inputs() puts a row's group into every lane. Only `bytes` of the group's elements are inside the
// matrix.
//
// Included once per target (Highway's -inl.h convention).
#if defined(SWITCHYARD_SIMD_DOT_GEMM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_SIMD_DOT_GEMM_INL_H_
#undef SWITCHYARD_SIMD_DOT_GEMM_INL_H_
#else
#define SWITCHYARD_SIMD_DOT_GEMM_INL_H_
#endif

#include <algorithm>
#include <cstring>
#include <utility>

#include "hwy/cache_control.h"
#include "simd/common-inl.h"
#include "simd/rows_view.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd::HWY_NAMESPACE {

using I32 = hn::RebindToSigned<F32>;
using VI = hn::Vec<I32>;
constexpr I32 i32{};

struct Tile {
  std::int64_t rows, panels;
};
// Its sums, two vectors of weights and one of activations fit in the 16 registers of SSE4 and AVX2,
// or in the 32 of AVX-512.
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3
constexpr Tile kTallTile{12, 1};
#else
constexpr Tile kTallTile{6, 1};
#endif
// One row is multiplied by this many panels at a time, so that enough sums are in flight to hide
// the latency of an instruction.
constexpr std::int64_t kDotPanels = 4;

// Dot::inputs() of a group of 4 bytes.
HWY_INLINE VI broadcast(const std::uint8_t* group, std::size_t bytes) {
  std::int32_t bits = 0;
  std::memcpy(&bits, group, bytes);
  return hn::Set(i32, bits);
}

// y [kRows, kPanels * two vectors] = x . w^T. `dots` are of neighboring panels. The sums are a
// parameter pack, because vectors of some targets cannot be in an array: kPanels pairs of each row,
// row by row.
template <std::int64_t kRows, std::int64_t kPanels, class Dot, class T, class... Sums>
HWY_INLINE void dot_tile(const Dot* dots, std::int64_t inputs, Rows<const std::uint8_t> x,
                         Rows<T> y, Sums... sums) {
  static_assert(Dot::kGroup * sizeof(typename Dot::Element) == 4);
  constexpr std::size_t kVectors = 2 * kPanels, kDone = sizeof...(Sums);
  const auto at = [&](std::size_t i) HWY_ATTR { return y[i / kVectors] + i % kVectors * lanes(); };
  if constexpr (kDone < kRows * kVectors) {
    dot_tile<kRows, kPanels>(dots, inputs, x, y, sums...,
                             dots[kDone % kVectors / 2].start(kDone % 2, at(kDone)));
  } else {
    const auto each_sum = [&]<std::size_t... I>(auto&& f, std::index_sequence<I...>) HWY_ATTR
        __attribute__((always_inline)) {
      (f(sums, I), ...);
    };
    const auto all = std::index_sequence_for<Sums...>();
    const auto add_group = [&](std::int64_t g, std::size_t bytes) HWY_ATTR
        __attribute__((always_inline)) {
      // With several panels it costs more than it gains.
      if constexpr (kPanels == 1) dots[0].prefetch(g);
      each_sum(
          [&](auto& sum, std::size_t i) HWY_ATTR __attribute__((always_inline)) {
            const auto row = Dot::inputs(x[i / kVectors] + Dot::kHeader + Dot::kStep * g, bytes);
            sum = Dot::add(sum, row, dots[i % kVectors / 2].weights(g, i % 2));
          },
          all);
    };
    const std::int64_t groups = inputs / Dot::kGroup, rest = inputs % Dot::kGroup;
    for (std::int64_t g = 0; g < groups; ++g) add_group(g, 4);
    if (rest > 0) add_group(groups, static_cast<std::size_t>(rest) * sizeof(typename Dot::Element));
    each_sum([&](auto& sum, std::size_t i)
                 HWY_ATTR { dots[i % kVectors / 2].store(sum, x[i / kVectors], i % 2, at(i)); },
             all);
  }
}

// Multiplies the first rows of x by kPanels panels, and returns their number.
template <std::int64_t kPanels, class Dot, class T>
HWY_INLINE std::int64_t dot_rows_tile(const Dot* dots, std::int64_t rows, std::int64_t inputs,
                                      Rows<const std::uint8_t> x, Rows<T> y) {
  const auto tile = [&]<std::int64_t kRows>() HWY_ATTR {
    dot_tile<kRows, kPanels>(dots, inputs, x, y);
    return kRows;
  };
  if constexpr (Dot::kTile.rows == 12) {
    if (rows >= 12) return tile.template operator()<12>();
    if (rows >= 8) return tile.template operator()<8>();
  }
  // The last two tiles share their rows: a tile of few rows has too few sums to hide the latency.
  constexpr std::int64_t kMost = std::min<std::int64_t>(Dot::kTile.rows, 6);
  switch (rows >= 2 * kMost ? kMost : rows > kMost ? (rows + 1) / 2 : rows) {
    case 1:
      return tile.template operator()<1>();
    case 2:
      return tile.template operator()<2>();
    case 3:
      if constexpr (kMost >= 3) return tile.template operator()<3>();
      [[fallthrough]];
    case 4:
      if constexpr (kMost >= 4) return tile.template operator()<4>();
      [[fallthrough]];
    case 5:
      if constexpr (kMost >= 5) return tile.template operator()<5>();
      [[fallthrough]];
    default:
      return tile.template operator()<kMost>();
  }
}

// Columns [first_col, last_col) of y = x . w^T; dot_of(col) is the Dot of the two vectors of
// outputs that begin at column col.
template <class T, class DotOf>
HWY_INLINE void dot_gemm(std::int64_t rows, std::int64_t first_col, std::int64_t last_col,
                         std::int64_t inputs, Rows<const std::uint8_t> x, Rows<T> y,
                         DotOf&& dot_of) {
  using Dot = decltype(dot_of(first_col));
  const std::int64_t width = static_cast<std::int64_t>(2 * lanes());
  std::int64_t col = first_col;
  for (; rows == 1 && col + kDotPanels * width <= last_col; col += kDotPanels * width) {
    const Dot dots[] = {dot_of(col), dot_of(col + width), dot_of(col + 2 * width),
                        dot_of(col + 3 * width)};
    dot_tile<1, kDotPanels>(dots, inputs, x, Rows<T>{y[0] + col, y.stride});
  }
  if constexpr (Dot::kTile.panels == 2) {
    for (; col + 2 * width <= last_col; col += 2 * width) {
      const Dot dots[] = {dot_of(col), dot_of(col + width)};
      for (std::int64_t r = 0; r < rows;)
        r += dot_rows_tile<2>(dots, rows - r, inputs, {x[r], x.stride},
                              Rows<T>{y[r] + col, y.stride});
    }
  }
  constexpr std::size_t kEdgeRows = static_cast<std::size_t>(Dot::kTile.rows);
  HWY_ALIGN T edge[kEdgeRows * 2 * hn::MaxLanes(f32)];
  const Rows<T> whole{edge, width};  // the last outputs and their padding
  for (; col < last_col; col += width) {
    const Dot dot = dot_of(col);
    const std::int64_t cols = std::min(width, last_col - col);
    for (std::int64_t r = 0; r < rows;) {
      const Rows<const std::uint8_t> x_rows{x[r], x.stride};
      const Rows<T> y_rows{y[r] + col, y.stride};
      if (cols == width) {
        r += dot_rows_tile<1>(&dot, rows - r, inputs, x_rows, y_rows);
        continue;
      }
      const std::int64_t most = std::min(Dot::kTile.rows, rows - r);
      for (std::int64_t i = 0; i < most; ++i) std::copy_n(y_rows[i], cols, whole[i]);
      const std::int64_t count = dot_rows_tile<1>(&dot, most, inputs, x_rows, whole);
      for (std::int64_t i = 0; i < count; ++i) std::copy_n(whole[i], cols, y_rows[i]);
      r += count;
    }
  }
}

}  // namespace switchyard::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
