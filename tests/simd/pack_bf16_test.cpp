// SPDX-License-Identifier: Apache-2.0
#include "simd/pack_bf16.h"

#include "tests/simd/support.h"

namespace switchyard::simd {
namespace {

TEST_CASE("bfloat16 panels hold the matrix, padded with zeros") {
  for_each_target([&] {
    for (const std::int64_t k : {1, 2, 7, 31, 32, 33, 100}) {
      for (const std::int64_t n : {1, 5, 63, 64, 65, 130}) {
        CAPTURE(k, n);
        Matrix b = random_matrix(k, n, 1), w(n, k);
        for (std::int64_t i = 0; i < k; ++i)
          for (std::int64_t j = 0; j < n; ++j) w.at(j, i) = b.at(i, j);
        std::vector<Bf16> rounded;
        for (std::int64_t i = 0; i < k; ++i)
          for (std::int64_t j = 0; j < n; ++j) rounded.push_back({f32_to_bf16(b.at(i, j))});
        const std::int64_t size = packed_bf16_panel_size(k);
        for (std::int64_t panel = 0; panel < packed_bf16_panels(n); ++panel) {
          std::vector<Bf16> packed(static_cast<std::size_t>(size) + 1, Bf16{77});
          std::vector<Bf16> transposed = packed;
          pack_bf16(k, n, b.in(), panel, packed.data());
          pack_bf16_transposed(k, n, w.in(), panel, transposed.data());
          std::vector<Bf16> again(packed.size(), Bf16{77});
          pack_bf16(k, n, Rows<const Bf16>{rounded.data(), n}, panel, again.data());
          bool same = true;
          for (std::int64_t i = 0; i < size / kBf16PanelCols; ++i)
            for (std::int64_t j = 0; j < kBf16PanelCols; ++j) {
              const std::int64_t col = panel * kBf16PanelCols + j;
              const std::uint16_t expected = i < k && col < n ? f32_to_bf16(b.at(i, col)) : 0;
              const auto at = static_cast<std::size_t>(packed_bf16_index(i, j));
              same = same && packed[at].bits == expected && transposed[at].bits == expected &&
                     again[at].bits == expected;
            }
          REQUIRE(same);
          REQUIRE((packed.back().bits == 77 && transposed.back().bits == 77 &&
                   again.back().bits == 77));
        }
      }
    }
  });
}

TEST_CASE("transposing a bfloat16 matrix") {
  for_each_target([&] {
    for (const std::int64_t rows : {1, 7, 8, 9, 16, 50, 100}) {
      for (const std::int64_t cols : {1, 7, 8, 9, 16, 50}) {
        CAPTURE(rows, cols);
        const std::int64_t x_stride = cols + 3, y_stride = rows + 5;
        std::vector<Bf16> x(static_cast<std::size_t>(rows * x_stride));
        for (std::size_t i = 0; i < x.size(); ++i) x[i] = {static_cast<std::uint16_t>(i + 1)};
        std::vector<Bf16> y(static_cast<std::size_t>(cols * y_stride), Bf16{0});
        transpose_bf16(rows, cols, {x.data(), x_stride}, {y.data(), y_stride});
        bool same = true;
        for (std::int64_t c = 0; c < cols; ++c) {
          for (std::int64_t r = 0; r < y_stride; ++r) {
            const std::uint16_t expected =
                r < rows ? x[static_cast<std::size_t>(r * x_stride + c)].bits : 0;
            same = same && y[static_cast<std::size_t>(c * y_stride + r)].bits == expected;
          }
        }
        REQUIRE(same);
      }
    }
  });
}

}  // namespace
}  // namespace switchyard::simd
