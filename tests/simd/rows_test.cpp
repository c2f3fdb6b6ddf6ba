// SPDX-License-Identifier: Apache-2.0
// Elementwise arithmetic, moves by index, norms, sums, conversion and the optimizers' steps.
#include "simd/rows.h"

#include <cmath>
#include <limits>

#include "simd/adafactor.h"
#include "simd/convert.h"
#include "simd/reduce.h"
#include "simd/rms_norm.h"
#include "simd/update.h"
#include "src/core/dtype.h"
#include "tests/simd/support.h"

namespace switchyard::simd {
namespace {

constexpr std::int64_t kRows = 4;

// f(r, c) for every element.
template <class F>
std::vector<double> table(std::int64_t rows, std::int64_t cols, F&& f) {
  std::vector<double> all;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c) all.push_back(static_cast<double>(f(r, c)));
  return all;
}

TEST_CASE("elementwise arithmetic on rows") {
  for_each_target([&] {
    for (const std::int64_t n : lengths(0)) {
      CAPTURE(n);
      Matrix x = random_matrix(kRows, n, 1), y0 = random_matrix(kRows, n, 2), y = y0;
      Matrix bias = random_matrix(1, n, 3);
      const auto expect = [&](auto f) {
        REQUIRE(close(y.values(), table(kRows, n, f), 2e-7, 0) == "");
        REQUIRE(y.intact());
        y = y0;
      };
      using I = std::int64_t;
      fill(kRows, n, 2.5f, y.view());
      expect([](I, I) { return 2.5; });
      copy(kRows, n, x.in(), y.view());
      expect([&](I r, I c) { return x.at(r, c); });
      add(kRows, n, x.in(), y.view());
      expect([&](I r, I c) { return y0.at(r, c) + x.at(r, c); });
      scale(kRows, n, 0.7f, x.in(), y.view());
      expect([&](I r, I c) { return 0.7f * x.at(r, c); });
      lerp(kRows, n, 0.1f, x.in(), y.view());
      expect([&](I r, I c) { return y0.at(r, c) + 0.1f * (x.at(r, c) - y0.at(r, c)); });
      add_bias(kRows, n, bias.data(), y.view());
      expect([&](I r, I c) { return y0.at(r, c) + bias.at(0, c); });
    }
  });
}

TEST_CASE("rows moved by index") {
  IntMatrix index(kRows, 1);  // a partial permutation
  index.at(0, 0) = 2, index.at(1, 0) = -1, index.at(2, 0) = 0, index.at(3, 0) = 3;
  const auto i = [&](std::int64_t r) { return static_cast<std::int64_t>(index.at(r, 0)); };
  for_each_target([&] {
    for (const std::int64_t n : lengths(0)) {
      CAPTURE(n);
      Matrix x = random_matrix(kRows, n, 1), y0 = random_matrix(kRows, n, 2), y = y0;
      Matrix weight = random_matrix(kRows, 1, 3), grad_weight(kRows, 1);
      const auto expect = [&](auto f) {
        REQUIRE(close(y.values(), table(kRows, n, f), 2e-7, 0) == "");
        REQUIRE(y.intact());
        y = y0;
      };
      using I = std::int64_t;
      gather_rows(kRows, n, x.in(), index.in(), y.view());
      expect([&](I r, I c) { return i(r) < 0 ? 0 : x.at(i(r), c); });
      gather_rows_add(kRows, n, x.in(), index.in(), y.view());
      expect([&](I r, I c) { return y0.at(r, c) + (i(r) < 0 ? 0 : x.at(i(r), c)); });
      // The index is its own inverse, except for row 1, which no row maps to.
      scatter_rows(kRows, n, x.in(), index.in(), y.view());
      expect([&](I r, I c) { return i(r) < 0 ? y0.at(r, c) : x.at(i(r), c); });
      scatter_rows_add(kRows, n, x.in(), index.in(), y.view());
      expect([&](I r, I c) { return y0.at(r, c) + (i(r) < 0 ? 0 : x.at(i(r), c)); });
      combine_rows(kRows, n, x.in(), index.in(), weight.in(), y.view());
      expect([&](I r, I c) { return i(r) < 0 ? 0 : weight.at(r, 0) * x.at(i(r), c); });
      combine_rows_grad_out(kRows, n, x.in(), index.in(), weight.in(), y.view());
      expect([&](I r, I c) { return i(r) < 0 ? 0 : weight.at(i(r), 0) * x.at(i(r), c); });
      combine_rows_grad_weight(kRows, n, x.in(), y0.in(), index.in(), grad_weight.view());
      std::vector<double> dots(kRows);
      for (I r = 0; r < kRows; ++r)
        for (I c = 0; i(r) >= 0 && c < n; ++c)
          dots[static_cast<std::size_t>(r)] += double{x.at(r, c)} * y0.at(i(r), c);
      REQUIRE(close(grad_weight.values(), dots, 1e-6, 1e-6) == "");
    }
  });
}

TEST_CASE("sums are not finite if an element is not") {
  for_each_target([&] {
    for (const std::int64_t n : lengths(0)) {
      CAPTURE(n);
      Matrix x = random_matrix(kRows, n, 1), y = random_matrix(1, n, 2), total = y;
      double squares = 0, plain = 0;
      for (std::int64_t c = 0; c < n; ++c) {
        squares += double{x.at(0, c)} * x.at(0, c);
        plain += x.at(0, c);
      }
      REQUIRE(std::abs(sum_of_squares(n, x.data()) - squares) <= 1e-13 * squares);
      REQUIRE(std::abs(sum(n, x.data()) - plain) <= 1e-12);
      add_column_sums(kRows, n, x.in(), total.data());
      REQUIRE(close(total.values(),
                    table(1, n,
                          [&](std::int64_t, std::int64_t c) {
                            double s = y.at(0, c);
                            for (std::int64_t r = 0; r < kRows; ++r) s += x.at(r, c);
                            return s;
                          }),
                    5e-7, 0) == "");
      REQUIRE(total.intact());
      for (std::int64_t c = 0; c < n; ++c) {
        for (const float bad :
             {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
          const float good = x.at(0, c);
          x.at(0, c) = bad;
          REQUIRE(!std::isfinite(sum_of_squares(n, x.data())));
          x.at(0, c) = good;
        }
      }
    }
    const float large[] = {3e38f, 3e38f};
    REQUIRE(std::isfinite(sum_of_squares(2, large)));
  });
}

TEST_CASE("bfloat16 has the bits of core/dtype.h") {
  std::vector<float> x;
  for (std::uint64_t i = 0; i < 4096; ++i)
    x.push_back(f32_of_bits(static_cast<std::uint32_t>(mix64(i))));
  for (const std::uint32_t bits : {0x3F808000u, 0x3F818000u, 0x3F808001u, 0x7F7FFFFFu, 0x7F800000u,
                                   0x7F800001u, 0xFFFFFFFFu, 0x80000000u, 0x00000001u})
    x.push_back(f32_of_bits(bits));
  for_each_target([&] {
    for (std::int64_t n : {0, 1, 7, 8, 9, 31, 33, 4097}) {
      const std::size_t size = static_cast<std::size_t>(n), from = x.size() - size;
      std::vector<Bf16> y(size + 1, Bf16{77});
      std::vector<float> back(size + 1, 77);
      const AnyOut narrow(y.data(), n, DType::bf16);
      convert(1, n, In{x.data() + from, n}, narrow);
      convert(1, n, narrow, Out{back.data(), n});
      std::vector<Bf16> scattered(size + 1, Bf16{77});
      const std::int32_t first = 0;
      scatter_rows(1, n, In{x.data() + from, n}, {&first, 1},
                   AnyOut(scattered.data(), n, DType::bf16));
      for (std::size_t i = 0; i <= size; ++i) REQUIRE(scattered[i].bits == y[i].bits);
      for (std::size_t i = 0; i < size; ++i) {
        REQUIRE(y[i].bits == f32_to_bf16(x[from + i]));
        REQUIRE(bits_of_f32(back[i]) == std::uint32_t{y[i].bits} << 16);
      }
      REQUIRE((y[size].bits == 77 && back[size] == 77));
    }
  });
}

TEST_CASE("rms norm and its backward") {
  const float eps = 1e-6f;
  for_each_target([&] {
    for (const std::int64_t n : lengths(1)) {
      CAPTURE(n);
      Matrix x = random_matrix(kRows, n, 1, 3), weight = random_matrix(1, n, 2), y(kRows, n);
      Matrix inv(kRows, 1), dy = random_matrix(kRows, n, 3), dx0 = random_matrix(kRows, n, 4);
      Matrix dx = dx0, dweight0 = random_matrix(1, n, 5), dweight = dweight0;
      std::vector<double> want_inv, want, want_dx, want_dweight(static_cast<std::size_t>(n));
      for (std::int64_t c = 0; c < n; ++c)
        want_dweight[static_cast<std::size_t>(c)] = dweight0.at(0, c);
      for (std::int64_t r = 0; r < kRows; ++r) {
        double squares = 0, pull = 0;
        for (std::int64_t c = 0; c < n; ++c) {
          squares += double{x.at(r, c)} * x.at(r, c);
          pull += double{weight.at(0, c)} * dy.at(r, c) * x.at(r, c);
        }
        const double f = 1 / std::sqrt(squares / double(n) + double{eps});
        want_inv.push_back(f);
        for (std::int64_t c = 0; c < n; ++c) {
          want.push_back(weight.at(0, c) * (x.at(r, c) * f));
          want_dx.push_back(dx0.at(r, c) + f * (weight.at(0, c) * dy.at(r, c) -
                                                x.at(r, c) * f * f * pull / double(n)));
          want_dweight[static_cast<std::size_t>(c)] += dy.at(r, c) * x.at(r, c) * f;
        }
      }
      rms_norm(kRows, n, x.in(), weight.data(), eps, y.view(), inv.view());
      rms_norm_backward(kRows, n, x.in(), weight.data(), inv.in(), dy.in(), dx.view(),
                        dweight.data());
      REQUIRE(close(inv.values(), want_inv, 1e-6, 0) == "");
      REQUIRE(close(y.values(), want, 1e-6, 0) == "");
      REQUIRE(close(dx.values(), want_dx, 2e-6, 1e-6) == "");
      REQUIRE(close(dweight.values(), want_dweight, 1e-6, 1e-6) == "");
      REQUIRE((y.intact() && dx.intact() && dweight.intact() && inv.intact()));
      rms_norm_backward(kRows, n, x.in(), weight.data(), inv.in(), dy.in(), dx0.view(), nullptr);
      REQUIRE(dx0.values() == dx.values());
    }
  });
}

TEST_CASE("AdamW, three steps") {
  AdamW options{1e-2f, 0.9f, 0.98f, 1e-8f, 0.1f, 1, 0.5f};
  for_each_target([&] {
    for (const std::int64_t n : lengths(0)) {
      CAPTURE(n);
      Matrix m(1, n), v(1, n), p = random_matrix(1, n, 1);
      const std::size_t size = static_cast<std::size_t>(n);
      std::vector<double> want_m(size), want_v(size), want_p;
      for (const float value : p.values()) want_p.push_back(value);
      for (options.step = 1; options.step <= 3; ++options.step) {
        Matrix grad = random_matrix(1, n, static_cast<std::uint64_t>(options.step) + 10);
        const std::vector<float> given = grad.values();
        adamw(n, options, grad.data(), m.data(), v.data(), p.data());
        REQUIRE(grad.values() == std::vector<float>(size, 0));
        REQUIRE(grad.intact());
        const double b1 = options.beta1, b2 = options.beta2, t = double(options.step);
        for (std::size_t i = 0; i < size; ++i) {
          const double g = 0.5 * given[i];
          want_m[i] = b1 * want_m[i] + (1 - b1) * g;
          want_v[i] = b2 * want_v[i] + (1 - b2) * g * g;
          const double m_hat = want_m[i] / (1 - std::pow(b1, t));
          const double v_hat = want_v[i] / (1 - std::pow(b2, t));
          want_p[i] -= double{options.lr} * (double{options.weight_decay} * want_p[i] +
                                             m_hat / (std::sqrt(v_hat) + double{options.eps}));
        }
      }
      REQUIRE(close(m.values(), want_m, 1e-6, 0) == "");
      REQUIRE(close(v.values(), want_v, 1e-6, 0) == "");
      REQUIRE(close(p.values(), want_p, 1e-6, 1e-7) == "");
      REQUIRE((m.intact() && v.intact() && p.intact()));
    }
  });
}

TEST_CASE("the passes of Adafactor") {
  for_each_target([&] {
    for (const std::int64_t n : lengths(1)) {
      CAPTURE(n);
      Matrix grad = random_matrix(kRows, n, 1), param = random_matrix(kRows, n, 2);
      Matrix col = random_matrix(1, n, 3), row_sums(1, kRows), col_sums = col;
      Matrix rows = random_matrix(1, kRows, 4);
      std::vector<double> want_rows(kRows), want_cols, want_param, want_state, want_roots;
      double squares = 0;
      for (std::int64_t c = 0; c < n; ++c) {
        want_cols.push_back(col.at(0, c));
        want_state.push_back(0.25 * col.at(0, c));
      }
      for (std::int64_t r = 0; r < kRows; ++r)
        for (std::int64_t c = 0; c < n; ++c) {
          const double square = std::pow(0.5 * grad.at(r, c), 2) + 0.125;
          want_rows[static_cast<std::size_t>(r)] += square;
          want_cols[static_cast<std::size_t>(c)] += square;
          const double u = double{grad.at(r, c)} * rows.at(0, r) * col.at(0, c);
          squares += u * u;
          want_param.push_back(param.at(r, c) - 0.1 * u);
        }
      adafactor_squares(kRows, n, 0.5f, 0.125f, grad.in(), row_sums.data(), col_sums.data());
      REQUIRE(close(row_sums.values(), want_rows, 1e-6, 0) == "");
      REQUIRE(close(col_sums.values(), want_cols, 1e-6, 1e-6) == "");
      REQUIRE(std::abs(adafactor_sum_of_squares(kRows, n, grad.in(), rows.data(), col.data()) -
                       squares) <= 1e-5 * squares);
      adafactor_step(kRows, n, 0.1f, grad.view(), rows.data(), col.data(), param.view());
      REQUIRE(close(param.values(), want_param, 1e-6, 1e-6) == "");
      REQUIRE(grad.values() == std::vector<float>(static_cast<std::size_t>(kRows * n), 0));
      for (std::int64_t c = 0; c < n; ++c) {
        want_state[static_cast<std::size_t>(c)] += 0.5 * col_sums.at(0, c);
        want_roots.push_back(0);
      }
      moving_average(n, 0.25f, 0.5f, col_sums.data(), col.data());
      REQUIRE(close(col.values(), want_state, 1e-6, 1e-6) == "");
      REQUIRE((grad.intact() && param.intact() && col.intact() && row_sums.intact()));
      // Of positive numbers.
      for (std::int64_t c = 0; c < n; ++c) {
        col_sums.at(0, c) = std::abs(col_sums.at(0, c)) + 0.01f;
        want_roots[static_cast<std::size_t>(c)] = 3 / std::sqrt(2 * double{col_sums.at(0, c)});
      }
      inverse_roots(n, 3, 2, col_sums.data(), col.data());
      REQUIRE(close(col.values(), want_roots, 1e-6, 0) == "");
      REQUIRE((col.intact() && col_sums.intact()));
    }
  });
}

}  // namespace
}  // namespace switchyard::simd
