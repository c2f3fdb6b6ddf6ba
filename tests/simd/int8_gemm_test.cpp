// SPDX-License-Identifier: Apache-2.0
#include "simd/int8_gemm.h"

#include <cmath>
#include <limits>

#include "tests/simd/support.h"

namespace switchyard::simd {
namespace {

template <class T>
struct alignas(64) Line {
  T data[64 / sizeof(T)];
};
template <class T>
class Aligned {
 public:
  explicit Aligned(std::int64_t bytes) : lines_(static_cast<std::size_t>(bytes + 63) / 64) {}
  T* data() { return lines_.data()->data; }

 private:
  std::vector<Line<T>> lines_;
};

struct QuantizedRow {
  std::vector<std::int32_t> q;
  float scale;
};

// The formula of int8_gemm.h, in plain C++.
QuantizedRow quantized(const float* x, std::int64_t n) {
  float most = 0;
  for (std::int64_t i = 0; i < n; ++i) most = std::max(most, std::abs(x[i]));
  QuantizedRow row{{}, most / 127};
  for (std::int64_t i = 0; i < n; ++i)
    row.q.push_back(most > 0 ? static_cast<std::int32_t>(std::nearbyint(x[i] * (127 / most))) : 0);
  return row;
}

float expected(const QuantizedRow& x, const QuantizedRow& w) {
  std::int32_t sum = 0;
  for (std::size_t k = 0; k < x.q.size(); ++k) sum += x.q[k] * w.q[k];
  return static_cast<float>(sum) * (x.scale * w.scale);
}

struct Product {
  Product(std::int64_t rows, std::int64_t out, std::int64_t in)
      : packed(int8_weight_bytes(out, in)), x(rows * int8_row_bytes(in)), y(rows, out) {}
  Aligned<std::int8_t> packed;
  Aligned<std::uint8_t> x;
  Matrix y;
};

Product multiply(std::int64_t rows, std::int64_t out, std::int64_t in, Matrix& x, Matrix& w) {
  Product p(rows, out, in);
  Aligned<std::int8_t> row(int8_row_bytes(in));
  pack_int8_weight(out, in, w.in(), row.data(), p.packed.data());
  quantize_rows(rows, in, x.in(), p.x.data());
  int8_gemm(rows, 0, out, in, p.x.data(), p.packed.data(), p.y.view());
  return p;
}

TEST_CASE("int8 matmuls match the formula bit for bit, on every target") {
  for_each_target([&] {
    for (const std::int64_t in : {1, 2, 3, 4, 5, 31, 64, 129, 192, 500}) {
      for (const std::int64_t out : {1, 15, 16, 33, 100}) {
        for (const std::int64_t rows : {1, 2, 3, 4, 5, 6, 7, 9, 20, 53}) {
          CAPTURE(in, out, rows);
          Matrix x = random_matrix(rows, in, 1), w = random_matrix(out, in, 2);
          Product p = multiply(rows, out, in, x, w);
          REQUIRE(p.y.intact());
          bool same = true;
          for (std::int64_t r = 0; r < rows; ++r) {
            const QuantizedRow q = quantized(x.view()[r], in);
            for (std::int64_t c = 0; c < out; ++c)
              same = same && p.y.at(r, c) == expected(q, quantized(w.view()[c], in));
          }
          REQUIRE(same);
        }
      }
    }
  });
}

// All values at the limit: the pairs of products that saturate vpmaddubsw, and the largest sums.
TEST_CASE("int8 sums neither saturate nor overflow") {
  for_each_target([&] {
    for (const std::int64_t in : {64, 4096, 65536}) {
      for (const float sign : {1.0f, -1.0f}) {
        CAPTURE(in, sign);
        const float one = 1.0f / 127;
        for (const std::int64_t rows : {2, 9}) {
          Matrix x(rows, in, 1.0f), w(3, in, sign);
          Product p = multiply(rows, 3, in, x, w);
          CHECK(p.y.at(rows - 1, 2) == static_cast<float>(127 * 127 * in) * sign * (one * one));
        }
      }
    }
  });
}

TEST_CASE("int8: rows of zeros, tiny values, and values that are not finite") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for_each_target([&] {
    Matrix x(4, 40, 0.0f), w(5, 40, 0.5f);
    x.at(1, 3) = 1e-38f;
    x.at(2, 39) = kInf;
    x.at(3, 7) = nan;
    x.at(3, 8) = kInf;
    for (std::int64_t k = 0; k < 40; ++k) w.at(4, k) = 0;
    Product p = multiply(4, 5, 40, x, w);
    for (std::int64_t c = 0; c < 5; ++c) {
      CHECK(p.y.at(0, c) == 0);
      CHECK(p.y.at(1, c) == 0);
      CHECK_FALSE(std::isfinite(p.y.at(2, c)));
      CHECK_FALSE(std::isfinite(p.y.at(3, c)));
    }
  });
}

TEST_CASE("int8: an unpacked row is scale * q") {
  for_each_target([&] {
    for (const std::int64_t in : {1, 7, 130}) {
      constexpr std::int64_t kOut = 50;
      Matrix w = random_matrix(kOut, in, 3);
      Aligned<std::int8_t> packed(int8_weight_bytes(kOut, in));
      Aligned<std::int8_t> scratch(int8_row_bytes(in));
      pack_int8_weight(kOut, in, w.in(), scratch.data(), packed.data());
      for (const std::int64_t row : {0, 17, 49}) {
        std::vector<float> found(static_cast<std::size_t>(in));
        unpack_int8_row(row, in, packed.data(), found.data());
        const QuantizedRow q = quantized(w.view()[row], in);
        for (std::size_t k = 0; k < found.size(); ++k)
          REQUIRE(found[k] == q.scale * static_cast<float>(q.q[k]));
      }
    }
  });
}

}  // namespace
}  // namespace switchyard::simd
