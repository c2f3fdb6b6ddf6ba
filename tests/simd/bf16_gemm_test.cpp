// SPDX-License-Identifier: Apache-2.0
#include "simd/bf16_gemm.h"

#include "simd/pack_bf16.h"
#include "tests/simd/support.h"

namespace switchyard::simd {
namespace {

std::vector<Bf16> rounded(Matrix& x, std::int64_t rows, std::int64_t cols) {
  std::vector<Bf16> all;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c) all.push_back({f32_to_bf16(x.at(r, c))});
  return all;
}

std::vector<Bf16> packed_weight(Matrix& w, std::int64_t out, std::int64_t in) {
  const std::int64_t size = packed_bf16_panel_size(in);
  std::vector<Bf16> packed(static_cast<std::size_t>(packed_bf16_panels(out) * size));
  for (std::int64_t panel = 0; panel < packed_bf16_panels(out); ++panel)
    pack_bf16_transposed(in, out, w.in(), panel, packed.data() + panel * size);
  return packed;
}

TEST_CASE("bfloat16 matmuls sum products of rounded operands, and a row's bits are its own") {
  for_each_target([&] {
    for (const std::int64_t in : {1, 2, 7, 30, 64, 129, 512}) {
      for (const std::int64_t out : {1, 31, 32, 64, 100, 130}) {
        CAPTURE(in, out);
        constexpr std::int64_t kRows = 20;
        Matrix x = random_matrix(kRows, in, 1), w = random_matrix(out, in, 2), y(kRows, out);
        const std::vector<Bf16> rows = rounded(x, kRows, in), packed = packed_weight(w, out, in);
        bf16_gemm(kRows, 0, out, in, {rows.data(), in}, packed.data(), y.view());
        REQUIRE(y.intact());
        std::vector<double> expected;
        for (std::int64_t r = 0; r < kRows; ++r)
          for (std::int64_t c = 0; c < out; ++c) {
            double sum = 0;
            for (std::int64_t k = 0; k < in; ++k)
              sum += double{bf16_to_f32(f32_to_bf16(x.at(r, k)))} *
                     double{bf16_to_f32(f32_to_bf16(w.at(c, k)))};
            expected.push_back(sum);
          }
        REQUIRE(close(y.values(), expected, 1e-5, 1e-7) == "");

        for (const std::int64_t count : {1, 2, 3, 4, 5, 6, 7}) {
          Matrix again(count, out);
          std::vector<Bf16> half(static_cast<std::size_t>(count * out));
          const Rows<const Bf16> part{rows.data() + 3 * in, in};
          const std::int64_t middle = std::min<std::int64_t>(64, out);
          for (const auto& [first, last] : {std::pair(std::int64_t{0}, middle), {middle, out}}) {
            bf16_gemm(count, first, last, in, part, packed.data(), again.view());
            bf16_gemm(count, first, last, in, part, packed.data(),
                      AnyOut(half.data(), out, DType::bf16));
          }
          REQUIRE(again.intact());
          bool same = true;
          for (std::int64_t r = 0; r < count; ++r)
            for (std::int64_t c = 0; c < out; ++c)
              same =
                  same && again.at(r, c) == y.at(3 + r, c) &&
                  half[static_cast<std::size_t>(r * out + c)].bits == f32_to_bf16(again.at(r, c));
          REQUIRE(same);
        }
      }
    }
  });
}

}  // namespace
}  // namespace switchyard::simd
