// SPDX-License-Identifier: Apache-2.0
// Statistics of random numbers: how many elements dropout drops, and how jitter's factors are
// distributed. The other tests compare with the reference, which shares core/rng.h with the
// backend; these do not use it.
#include <algorithm>
#include <cmath>

#include "tests/backend/machine.h"

namespace switchyard {
namespace {

constexpr std::int64_t kTokens = 1000, kCols = 1000, kLength = 20;

Ragged twenty_tokens_each(Machine& m) {
  return m.ragged(std::vector<std::int32_t>(kTokens / kLength, kLength));
}

// Six standard deviations of a binomial proportion: one check in 5e8 fails by chance.
double deviation(double rate, std::int64_t n) {
  return 6 * std::sqrt(rate * (1 - rate) / static_cast<double>(n));
}

// `y` is a matrix of ones after dropout.
void check_dropped_ones(const Reals& y, double rate, double rounding) {
  std::vector<double> by_row(kTokens), by_col(kCols);
  double dropped = 0, sum = 0, largest_error = 0;
  for (std::int64_t t = 0; t < kTokens; ++t)
    for (std::int64_t c = 0; c < kCols; ++c) {
      const double value = y(t, c);
      sum += value;
      if (value != 0) {
        largest_error = std::max(largest_error, std::abs(value * (1 - rate) - 1));
        continue;
      }
      ++dropped;
      by_row[static_cast<std::size_t>(t)] += 1.0 / kCols;
      by_col[static_cast<std::size_t>(c)] += 1.0 / kTokens;
    }
  constexpr double kElements = kTokens * kCols;
  const auto largest_deviation = [&](const std::vector<double>& shares) {
    double result = 0;
    for (const double share : shares) result = std::max(result, std::abs(share - rate));
    return result;
  };
  CHECK(std::abs(dropped / kElements - rate) < deviation(rate, kTokens * kCols));
  CHECK(largest_deviation(by_row) < deviation(rate, kCols));
  CHECK(largest_deviation(by_col) < deviation(rate, kTokens));
  CHECK(largest_error <= rounding);
  const double mean = sum / kElements;
  CHECK(std::abs(mean - 1) < deviation(rate, kTokens * kCols) / (1 - rate) + rounding);
}

TEST_CASE("dropout drops its rate of a million elements and keeps the mean") {
  const float rate = GENERATE(0.1f, 0.3f, 0.5f, 0.9f);
  const DType type = GENERATE(DType::f32, DType::bf16);
  CAPTURE(rate, type == DType::bf16);
  const double rounding = type == DType::bf16 ? 0x1p-8 : 1e-6;
  Machine m(2, false, false, type);
  const Ragged tokens = twenty_tokens_each(m);
  const Dropout drop{rate, 17};
  const auto ones = [&](std::int64_t cols) {
    const View v = m.ctx->scratch.make(kTokens, cols, type);
    fill(*m.ctx, 1, v);
    return v;
  };
  const auto in_f32 = [&](View v) {
    const View result = m.ctx->scratch.make(v.rows, v.cols);
    copy(*m.ctx, v, result);
    return m.reals(result);
  };
  const View x = ones(kCols), y = ones(kCols);

  SECTION("rows") {
    dropout(*m.ctx, drop, tokens.tags, x, y);
    check_dropped_ones(in_f32(y), rate, rounding);
  }
  SECTION("rows added to a residual") {
    const View sum = m.filled(kTokens, kCols, 0);
    add_dropout(*m.ctx, drop, tokens.tags, x, sum, sum);
    check_dropped_ones(m.reals(sum), rate, rounding);
  }
  SECTION("activations") {
    activation(*m.ctx, {Activation::relu, x, ConstView{}, drop, tokens.tags}, y);
    check_dropped_ones(in_f32(y), rate, rounding);
  }
  SECTION("probabilities of attention") {
    // All scores are equal, and key k's value is 1 in column k alone: out[t, h * kLength + k] is
    // what dropout left of query t's probability for key k in head h, which was 1 / kLength.
    AttentionCall call;
    call.num_heads = kCols / kLength;
    call.d_kv = kLength;
    call.drop = drop;
    call.queries = call.keys = tokens;
    std::vector<float> values;
    for (std::int64_t t = 0; t < kTokens; ++t)
      for (std::int64_t c = 0; c < kCols; ++c)
        values.push_back(c % kLength == t % kLength ? kLength : 0);
    const View v = m.output(kTokens, kCols);
    upload(*m.ctx, values.data(), v.size(), v);
    copy(*m.ctx, v, x);
    const View q = m.ctx->scratch.make(kTokens, kCols, type);
    fill(*m.ctx, 0, q);
    attention(*m.ctx, call, {q, q, x}, y, View{});
    // In bfloat16 the probability 1 / 20 is rounded, too.
    check_dropped_ones(in_f32(y), rate, 2 * rounding);
  }
}

TEST_CASE("jitter's factors are uniform") {
  const float eps = GENERATE(0.01f, 0.2f);
  CAPTURE(eps);
  Machine m(2, false);
  const View y = m.output(kTokens, kCols);
  jitter(*m.ctx, eps, 17, twenty_tokens_each(m).tags, m.filled(kTokens, kCols, 1), y);
  std::vector<double> tenths(10);
  double outside = 0;
  for (const double value : m.reals(y).values) {
    const double place = ((value - 1) / double{eps} + 1) * 5;  // in [0, 10)
    outside = std::max({outside, -place, place - 10});
    tenths[static_cast<std::size_t>(std::clamp(place, 0.0, 9.0))] += 1.0 / (kTokens * kCols);
  }
  CHECK(outside < 1e-4);  // f32 rounding near 1, in factors down to 1 - 0.01
  for (const double share : tenths) CHECK(std::abs(share - 0.1) < deviation(0.1, kTokens * kCols));
}

}  // namespace
}  // namespace switchyard
