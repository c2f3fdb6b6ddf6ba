// SPDX-License-Identifier: Apache-2.0
// Register tiles for matmuls of activations with a weight in panels of two vectors of outputs. An
// instruction multiplies a group of neighboring inputs (4 int8, 2 bfloat16, 1 float) of each output
// in a vector and adds the products to the output's sum. What the instruction is, and how weights
// and sums are stored, is up to a Dot, which knows one panel:
//
//   using Element;                      // of a row of activations; a group of them has 4 bytes
//   static constexpr std::int64_t kGroup, kHeader;     // elements; bytes before a row's first one
//   Sum start(std::int64_t v, const T* y) const;       // the sums of vector v, 0 or 1, of y
//   Weights weights(std::int64_t g, std::int64_t v) const;  // of group g
//   void prefetch(std::int64_t g) const;               // those of the next panel
//   static Sum add(Sum, VI group, Weights);            // `group`: a row's group, in every lane
//   void store(Sum, const std::uint8_t* row, std::int64_t v, T* y) const;  // row: the activations
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

// Rows of the largest tile. Its sums, two vectors of weights and one of activations fit in the 16
// registers of SSE4 and AVX2, or in the 32 of AVX-512.
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3
constexpr std::int64_t kDotRows = 12;
#else
constexpr std::int64_t kDotRows = 6;
#endif
// One row is multiplied by this many panels at a time, so that enough sums are in flight to hide
// the latency of an instruction.
constexpr std::int64_t kDotPanels = 4;

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
    // Group g, of which `bytes` are inputs; the rest may be outside the matrix.
    const auto add_group = [&](std::int64_t g, std::size_t bytes) HWY_ATTR
        __attribute__((always_inline)) {
      // For a single row it costs more than it gains.
      if constexpr (kPanels == 1) dots[0].prefetch(g);
      each_sum(
          [&](auto& sum, std::size_t i) HWY_ATTR __attribute__((always_inline)) {
            std::int32_t bits = 0;
            std::memcpy(&bits, x[i / kVectors] + Dot::kHeader + 4 * g, bytes);
            sum = Dot::add(sum, hn::Set(i32, bits), dots[i % kVectors / 2].weights(g, i % 2));
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

// Multiplies the first rows of x, by one panel, and returns their number: as many as the largest
// tile that fits has.
template <class Dot, class T>
HWY_INLINE std::int64_t dot_rows_tile(const Dot& dot, std::int64_t rows, std::int64_t inputs,
                                      Rows<const std::uint8_t> x, Rows<T> y) {
  const auto tile = [&]<std::int64_t kRows>() HWY_ATTR {
    dot_tile<kRows, 1>(&dot, inputs, x, y);
    return kRows;
  };
  if constexpr (kDotRows == 12) {
    if (rows >= 12) return tile.template operator()<12>();
    if (rows >= 8) return tile.template operator()<8>();
  }
  switch (rows) {
    case 1:
      return tile.template operator()<1>();
    case 2:
      return tile.template operator()<2>();
    case 3:
      return tile.template operator()<3>();
    case 4:
      return tile.template operator()<4>();
    case 5:
      return tile.template operator()<5>();
    default:
      return tile.template operator()<6>();
  }
}

// Columns [first_col, last_col) of y = x . w^T; dot_of(col) is the Dot of the two vectors of
// outputs that begin at column col.
template <class T, class DotOf>
HWY_INLINE void dot_gemm(std::int64_t rows, std::int64_t first_col, std::int64_t last_col,
                         std::int64_t inputs, Rows<const std::uint8_t> x, Rows<T> y,
                         DotOf&& dot_of) {
  const std::int64_t width = static_cast<std::int64_t>(2 * lanes());
  std::int64_t col = first_col;
  for (; rows == 1 && col + kDotPanels * width <= last_col; col += kDotPanels * width) {
    const decltype(dot_of(col)) dots[] = {dot_of(col), dot_of(col + width), dot_of(col + 2 * width),
                                          dot_of(col + 3 * width)};
    dot_tile<1, kDotPanels>(dots, inputs, x, Rows<T>{y[0] + col, y.stride});
  }
  HWY_ALIGN T edge[static_cast<std::size_t>(kDotRows) * 2 * hn::MaxLanes(f32)];
  const Rows<T> whole{edge, width};  // the last outputs and their padding
  for (; col < last_col; col += width) {
    const auto dot = dot_of(col);
    const std::int64_t cols = std::min(width, last_col - col);
    for (std::int64_t r = 0; r < rows;) {
      const Rows<const std::uint8_t> x_rows{x[r], x.stride};
      const Rows<T> y_rows{y[r] + col, y.stride};
      if (cols == width) {
        r += dot_rows_tile(dot, rows - r, inputs, x_rows, y_rows);
        continue;
      }
      const std::int64_t most = std::min(kDotRows, rows - r);
      for (std::int64_t i = 0; i < most; ++i) std::copy_n(y_rows[i], cols, whole[i]);
      const std::int64_t count = dot_rows_tile(dot, most, inputs, x_rows, whole);
      for (std::int64_t i = 0; i < count; ++i) std::copy_n(whole[i], cols, y_rows[i]);
      r += count;
    }
  }
}

}  // namespace switchyard::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
