// SPDX-License-Identifier: Apache-2.0
// The router, cross-entropy and search: everything built on a row's softmax.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "simd/cross_entropy.h"
#include "simd/routing.h"
#include "simd/top_k.h"
#include "tests/simd/support.h"

namespace switchyard::simd {
namespace {

constexpr std::int64_t kRows = 3;
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

double log_sum_exp(const float* x, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += std::exp(static_cast<double>(x[i]));
  return std::log(sum);
}

TEST_CASE("top-1 route and the router's gradient") {
  for_each_target([&] {
    for (const std::int64_t n : lengths(1)) {
      CAPTURE(n);
      Matrix logits = random_matrix(kRows, n, 1, 20), probs(kRows, n), lse(kRows, 1);
      Matrix weight(kRows, 1), grad_weight = random_matrix(kRows, 1, 2), grad(kRows, n);
      Matrix by_prob = random_matrix(1, n, 3);
      IntMatrix index(kRows, 1);
      std::vector<double> want, want_lse, want_grad;
      const float z_scale = 0.3f;
      for (std::int64_t r = 0; r < kRows; ++r) {
        const float* row = logits.view()[r];
        want_lse.push_back(log_sum_exp(row, n));
        std::vector<double> p, b;
        for (std::int64_t c = 0; c < n; ++c) p.push_back(std::exp(row[c] - want_lse.back()));
        const auto best = std::max_element(p.begin(), p.end()) - p.begin();
        double mean = 0;
        for (std::int64_t c = 0; c < n; ++c) {
          b.push_back(by_prob.at(0, c) + (c == best ? grad_weight.at(r, 0) : 0));
          mean += p[static_cast<std::size_t>(c)] * b.back();
        }
        for (std::size_t c = 0; c < p.size(); ++c)
          want_grad.push_back(p[c] * (b[c] - mean + double{z_scale} * want_lse.back()));
        want.insert(want.end(), p.begin(), p.end());
      }
      top1_route(kRows, n, logits.in(), probs.view(), lse.view(), index.view(), weight.view());
      REQUIRE(close(probs.values(), want, 2e-6, 0) == "");
      REQUIRE(close(lse.values(), want_lse, 1e-6, 1e-6) == "");
      for (std::int64_t r = 0; r < kRows; ++r) {
        const float* p = probs.view()[r];
        REQUIRE(index.at(r, 0) == std::max_element(p, p + n) - p);
        REQUIRE(weight.at(r, 0) == p[index.at(r, 0)]);
      }
      router_backward(kRows, n, probs.in(), lse.in(), index.in(), grad_weight.in(), by_prob.data(),
                      z_scale, grad.view());
      REQUIRE(close(grad.values(), want_grad, 5e-6, 1e-6) == "");
      REQUIRE((probs.intact() && grad.intact() && index.intact() && weight.intact()));
    }
  });
}

TEST_CASE("equal experts, NaN and infinities in the router") {
  for_each_target([&] {
    for (const std::int64_t n : lengths(1)) {
      CAPTURE(n);
      Matrix logits(kRows, n, 1.5f), probs(kRows, n), lse(kRows, 1), weight(kRows, 1);
      IntMatrix index(kRows, 1);
      logits.at(1, n - 1) = kNan;
      logits.at(2, n / 2) = kInf;
      top1_route(kRows, n, logits.in(), probs.view(), lse.view(), index.view(), weight.view());
      REQUIRE(index.at(0, 0) == 0);
      for (std::int64_t r = 1; r < kRows; ++r) {
        REQUIRE(index.at(r, 0) == 0);
        for (std::int64_t c = 0; c < n; ++c) REQUIRE(std::isnan(probs.at(r, c)));
      }
      REQUIRE(std::isnan(lse.at(1, 0)));
    }
  });
}

TEST_CASE("label-smoothed cross-entropy and its gradient") {
  std::vector<LogitBlocks> shapes{
      {kRows, 70, 64}, {kRows, 100, 33}, {kRows, 5, 2}, {kRows, 40, 40, 16}};
  for (const std::int64_t n : lengths(1)) shapes.push_back({kRows, n, n});
  for_each_target([&] {
    for (const float smoothing : {0.0f, 0.1f}) {
      for (const LogitBlocks& shape : shapes) {
        const std::int64_t n = shape.vocab, width = shape.width;
        CAPTURE(n, width, shape.gap, smoothing);
        Matrix logits = random_matrix(kRows, n, 1, 10);
        IntMatrix labels(kRows, 1);
        const float scale = 0.25f;
        std::vector<double> want_loss, want_nll, want_grad;
        for (std::int64_t r = 0; r < kRows; ++r) {
          labels.at(r, 0) = static_cast<std::int32_t>((r * 7) % n);
          const float* row = logits.view()[r];
          const double lse = log_sum_exp(row, n), eps = smoothing;
          double mean = 0;
          for (std::int64_t c = 0; c < n; ++c) {
            mean += (lse - row[c]) / double(n);
            want_grad.push_back(double{scale} * (std::exp(row[c] - lse) - eps / double(n) -
                                                 (c == labels.at(r, 0) ? 1 - eps : 0)));
          }
          want_nll.push_back(lse - row[labels.at(r, 0)]);
          want_loss.push_back((1 - eps) * want_nll.back() + eps * mean);
        }
        const auto place = [&](std::int64_t r, std::int64_t c) {
          return static_cast<std::size_t>(shape.offset(r, c / width) + c % width);
        };
        constexpr float kGuard = 77;
        std::vector<float> blocks(static_cast<std::size_t>(kRows * (n + shape.gap) + 1), kGuard);
        for (std::int64_t r = 0; r < kRows; ++r)
          for (std::int64_t c = 0; c < n; ++c) blocks[place(r, c)] = logits.at(r, c);
        std::vector<TokenLoss> losses(kRows), again(kRows);
        cross_entropy(shape, 0, kRows, blocks.data(), labels.in(), smoothing, losses.data());
        for (std::int64_t r = 0; r < kRows; ++r)
          cross_entropy_gradient(shape, r, 1, blocks.data(), labels.in(), smoothing, scale,
                                 again.data(), Out{blocks.data(), n});
        std::vector<double> grad;
        for (std::int64_t r = 0; r < kRows; ++r)
          for (std::int64_t c = 0; c < n; ++c)
            grad.push_back(double{std::exchange(blocks[place(r, c)], kGuard)});
        std::vector<double> loss, nll;
        for (std::size_t r = 0; r < kRows; ++r) {
          loss.push_back(losses[r].loss);
          nll.push_back(losses[r].nll);
          REQUIRE((again[r].loss == losses[r].loss && again[r].nll == losses[r].nll));
        }
        REQUIRE(close(loss, want_loss, 1e-6, 1e-6) == "");
        REQUIRE(close(nll, want_nll, 1e-6, 1e-6) == "");
        REQUIRE(close(grad, want_grad, 2e-6, 1e-7) == "");
        REQUIRE(blocks == std::vector<float>(blocks.size(), kGuard));  // nothing written elsewhere
      }
    }
    std::vector<float> logits(20, kNan);
    IntMatrix labels(1, 1);
    TokenLoss loss;
    cross_entropy_gradient({1, 20, 20}, 0, 1, logits.data(), labels.in(), 0, 1, &loss,
                           Out{logits.data(), 20});
    REQUIRE(std::isnan(loss.loss));
    REQUIRE(std::isnan(logits[19]));
  });
}

TEST_CASE("argmax: lowest of equal ids, one suppressed, log-probability") {
  for_each_target([&] {
    for (const std::int64_t n : lengths(2)) {
      CAPTURE(n);
      Matrix logits = random_matrix(kRows, n, 1, 5), log_prob(kRows, 1);
      IntMatrix token(kRows, 1);
      for (std::int64_t suppressed : {std::int64_t{-1}, std::int64_t{0}, n / 2, n - 1}) {
        CAPTURE(suppressed);
        argmax(kRows, n, logits.in(), static_cast<std::int32_t>(suppressed), token.view(),
               log_prob.view());
        for (std::int64_t r = 0; r < kRows; ++r) {
          const float* row = logits.view()[r];
          std::int64_t best = -1;
          for (std::int64_t c = 0; c < n; ++c)
            if (c != suppressed && (best < 0 || row[c] > row[best])) best = c;
          REQUIRE(token.at(r, 0) == best);
          REQUIRE(std::abs(log_prob.at(r, 0) - (row[best] - log_sum_exp(row, n))) <= 5e-6);
        }
      }
      Matrix equal(1, n, 2.0f), none(1, n, kNan);
      argmax(1, n, equal.in(), -1, token.view(), {});
      REQUIRE(token.at(0, 0) == 0);
      argmax(1, n, none.in(), 0, token.view(), {});
      REQUIRE(token.at(0, 0) == -1);
      none.at(0, n - 1) = 1;
      argmax(1, n, none.in(), -1, token.view(), {});
      REQUIRE(token.at(0, 0) == n - 1);
      equal.at(0, n - 1) = std::numeric_limits<float>::infinity();
      argmax(1, n, equal.in(), -1, token.view(), {});
      REQUIRE(token.at(0, 0) == -1);
    }
  });
}

TEST_CASE("top k: order, ties, suppression, rows of NaN") {
  const std::int64_t beams = 3;
  for_each_target([&] {
    for (const std::int64_t n : lengths(4)) {
      for (const std::int64_t k : {1, 2, 8}) {
        CAPTURE(n, k);
        Matrix logits = random_matrix(beams, n, 1, 5), score = random_matrix(beams, 1, 2);
        logits.at(1, n - 1) = logits.at(1, 0) = 6;  // a tie
        logits.at(2, 1) = kNan;                     // the whole row ranks last
        const std::int32_t suppressed = 2;
        std::vector<std::pair<double, std::int64_t>> want;
        for (std::int64_t b = 0; b < beams; ++b) {
          const double lse = b == 2 ? 0 : log_sum_exp(logits.view()[b], n);
          for (std::int64_t v = 0; v < n; ++v)
            if (v != suppressed)
              want.push_back(
                  {b == 2 ? -double{kInf} : score.at(b, 0) + (logits.at(b, v) - lse), b * n + v});
        }
        std::stable_sort(want.begin(), want.end(),
                         [](const auto& a, const auto& b) { return a.first > b.first; });
        Matrix values(1, k);
        IntMatrix index(1, k);
        top_k(beams, n, logits.in(), score.in(), k, suppressed, values.data(), index.data());
        for (std::int64_t i = 0; i < k; ++i) {
          const auto& [value, id] = want[static_cast<std::size_t>(i)];
          REQUIRE(index.at(0, i) == id);
          if (std::isinf(value))
            REQUIRE(values.at(0, i) == -kInf);
          else
            REQUIRE(std::abs(values.at(0, i) - value) <= 1e-5);
        }
        REQUIRE((values.intact() && index.intact()));
      }
    }
  });
}

}  // namespace
}  // namespace switchyard::simd
