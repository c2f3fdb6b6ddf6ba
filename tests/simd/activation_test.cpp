// SPDX-License-Identifier: Apache-2.0
#include "simd/activation.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "simd/dropout.h"
#include "tests/simd/support.h"

namespace switchyard::simd {
namespace {

constexpr Activation kAll[] = {Activation::relu, Activation::gelu, Activation::gelu_new,
                               Activation::silu};
const double kPi = std::acos(-1.0);

double value(Activation act, double x) {
  switch (act) {
    case Activation::relu:
      return x > 0 ? x : 0;
    case Activation::gelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::gelu_new:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / kPi) * (x + 0.044715 * x * x * x)));
    case Activation::silu:
      return x / (1 + std::exp(-x));
  }
  return 0;
}

double derivative(Activation act, double x) {
  if (act == Activation::relu) return x > 0 ? 1 : 0;
  const double h = 1e-6;
  return (value(act, x + h) - value(act, x - h)) / (2 * h);
}

// 2e-6 of the largest value: a few f32 roundings.
constexpr double kRtol = 2e-6, kAtol = 1e-7;

TEST_CASE("activation and its backward, with gate and dropout") {
  const std::int64_t rows = 3;
  const float rate = GENERATE(0.0f, 0.3f);
  const bool gated = GENERATE(false, true);
  IntMatrix tags = some_tags(5), token(rows, 1);
  for (std::int64_t r = 0; r < rows; ++r) token.at(r, 0) = static_cast<std::int32_t>(4 - r);
  const Dropout drop{rate, 99, tags.in(), token.in()};
  for_each_target([&] {
    for (const Activation act : kAll) {
      for (const std::int64_t n : lengths(0)) {
        CAPTURE(static_cast<int>(act), n, rate, gated);
        Matrix hidden = random_matrix(rows, n, 1, 4), gate = random_matrix(rows, n, 2);
        Matrix dy = random_matrix(rows, n, 3), y(rows, n), dh(rows, n), dg(rows, n);
        std::vector<double> want, want_dh, want_dg;
        for (std::int64_t r = 0; r < rows; ++r)
          for (std::int64_t c = 0; c < n; ++c) {
            const double x = hidden.at(r, c), g = gated ? gate.at(r, c) : 1;
            const double keep =
                drop_factor(rate, 99, tags.view()[token.at(r, 0)], static_cast<std::uint32_t>(c));
            want.push_back(value(act, x) * g * keep);
            want_dh.push_back(dy.at(r, c) * keep * g * derivative(act, x));
            want_dg.push_back(dy.at(r, c) * keep * value(act, x));
          }
        const In gate_in = gated ? gate.in() : In{};
        activation(act, rows, n, hidden.in(), gate_in, drop, y.view());
        activation_backward(act, rows, n, hidden.in(), gate_in, drop, dy.in(), dh.view(),
                            dg.view());
        REQUIRE(close(y.values(), want, kRtol, kAtol) == "");
        REQUIRE(close(dh.values(), want_dh, kRtol, 1e-6) == "");
        if (gated) REQUIRE(close(dg.values(), want_dg, kRtol, kAtol) == "");
        REQUIRE((y.intact() && dh.intact() && dg.intact()));
        // In place, as the contract allows.
        activation_backward(act, rows, n, hidden.in(), gate_in, drop, dy.in(), dy.view(),
                            gate.view());
        REQUIRE(dy.values() == dh.values());
      }
    }
  });
}

TEST_CASE("activations of large values and NaN") {
  const float inf = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for_each_target([&] {
    for (const Activation act : kAll) {
      CAPTURE(static_cast<int>(act));
      Matrix x(1, 8), y(1, 8), dy(1, 8, 1.0f), dx(1, 8);
      const float points[] = {-1e10f, -200, -20, -1e-30f, 0, 20, 200, 1e10f};
      for (int i = 0; i < 8; ++i) x.at(0, i) = points[i];
      activation(act, 1, 8, x.in(), {}, {}, y.view());
      activation_backward(act, 1, 8, x.in(), {}, {}, dy.in(), dx.view(), {});
      for (int i = 0; i < 8; ++i) {
        CAPTURE(points[i]);
        const float want = std::max(points[i], 0.0f);
        const bool flat = act == Activation::relu || std::abs(points[i]) > 1;
        const float want_dx = points[i] >= 20 ? 1.0f : flat ? 0.0f : 0.5f;
        CHECK(std::abs(y.at(0, i) - want) <= 1e-6f * std::max(want, 1.0f));
        CHECK(std::abs(dx.at(0, i) - want_dx) <= 1e-6f);
      }
      Matrix special(1, 2, nan);
      special.at(0, 1) = inf;
      activation(act, 1, 2, special.in(), {}, {}, y.view());
      CHECK(std::isnan(y.at(0, 0)));
      CHECK(y.at(0, 1) == inf);
    }
  });
}

TEST_CASE("dropout, add_dropout and jitter use the numbers of core/rng.h") {
  const std::int64_t rows = 4;
  IntMatrix tags = some_tags(rows);
  for_each_target([&] {
    for (const std::int64_t n : lengths(0)) {
      CAPTURE(n);
      const float rate = 0.1f, eps = 0.01f;
      const std::uint64_t stream = stream_key(1, 2, 3);
      const Dropout drop{rate, stream, tags.in(), {}};
      Matrix x = random_matrix(rows, n, 4), residual = random_matrix(rows, n, 5);
      Matrix y(rows, n), sum(rows, n), shaken(rows, n);
      dropout(rows, n, drop, x.in(), y.view());
      add_dropout(rows, n, drop, x.in(), residual.in(), sum.view());
      jitter(rows, n, eps, stream, tags.in(), x.in(), shaken.view());
      std::vector<double> want, want_sum, want_shaken;
      for (std::int64_t r = 0; r < rows; ++r) {
        const std::int32_t* tag = tags.view()[r];
        const std::uint64_t key =
            row_key(stream, static_cast<std::uint32_t>(tag[0]), static_cast<std::uint32_t>(tag[1]));
        for (std::int64_t c = 0; c < n; ++c) {
          const auto i = static_cast<std::uint32_t>(c);
          const double keep = drop_factor(rate, stream, tag, i);
          REQUIRE((y.at(r, c) == 0) == (keep == 0));
          want.push_back(x.at(r, c) * keep);
          want_sum.push_back(residual.at(r, c) + x.at(r, c) * keep);
          const double u = uniform_f32(random_u32(key, i));
          want_shaken.push_back(x.at(r, c) * (1 + static_cast<double>(eps) * (2 * u - 1)));
        }
      }
      REQUIRE(close(y.values(), want, 2e-7, 0) == "");
      REQUIRE(close(sum.values(), want_sum, 2e-7, 0) == "");
      REQUIRE(close(shaken.values(), want_shaken, 2e-7, 0) == "");
      REQUIRE((y.intact() && sum.intact() && shaken.intact()));
      dropout(rows, n, {}, x.in(), y.view());
      REQUIRE(y.values() == x.values());
    }
  });
}

}  // namespace
}  // namespace switchyard::simd
