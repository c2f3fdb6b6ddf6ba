// SPDX-License-Identifier: Apache-2.0
#include "simd/attention.h"

#include <cmath>
#include <vector>

#include "tests/simd/support.h"

namespace switchyard::simd {
namespace {

using I = std::int64_t;

// One head of one sequence, with its inputs and the scalar attention in double.
struct Case {
  I query_len, key_len, d_kv;
  bool causal, biased;
  float rate;

  Matrix q = random_matrix(query_len, d_kv, 1), k = random_matrix(key_len, d_kv, 2);
  Matrix v = random_matrix(key_len, d_kv, 3), grad_out = random_matrix(query_len, d_kv, 4);
  Matrix bias = random_matrix(1, query_len + key_len, 5);
  IntMatrix tags = some_tags(query_len);
  std::uint32_t head = 3;

  AttentionHead call() {
    return {query_len,
            key_len,
            d_kv,
            causal,
            biased ? center(bias) : nullptr,
            {rate, 42, tags.in(), {}},
            head};
  }
  float* center(Matrix& m) const { return m.data() + query_len; }

  std::vector<std::vector<double>> probs{}, kept{}, dscores{};
  std::vector<double> lse{}, out{};

  void compute() {
    for (I t = 0; t < query_len; ++t) {
      std::vector<double> p(static_cast<std::size_t>(key_len)), m = p;
      double sum = 0;
      for (I j = 0; j < key_len; ++j) {
        const auto i = static_cast<std::size_t>(j);
        m[i] = drop_factor(rate, 42, tags.view()[t], (head << 16) + static_cast<std::uint32_t>(j));
        if (causal && j > t) continue;
        double score = biased ? double{center(bias)[j - t]} : 0;
        for (I c = 0; c < d_kv; ++c) score += double{q.at(t, c)} * k.at(j, c);
        sum += p[i] = std::exp(score);
      }
      for (double& x : p) x /= sum;
      lse.push_back(std::log(sum));
      for (I c = 0; c < d_kv; ++c) {
        double total = 0;
        for (std::size_t i = 0; i < p.size(); ++i) total += p[i] * m[i] * v.at(I(i), c);
        out.push_back(total);
      }
      std::vector<double> dp(p.size()), ds(p.size());
      double mean = 0;
      for (std::size_t i = 0; i < p.size(); ++i) {
        for (I c = 0; c < d_kv; ++c) dp[i] += double{grad_out.at(t, c)} * v.at(I(i), c) * m[i];
        mean += dp[i] * p[i];
      }
      for (std::size_t i = 0; i < p.size(); ++i) ds[i] = p[i] * (dp[i] - mean);
      probs.push_back(p), kept.push_back(m), dscores.push_back(ds);
    }
  }
};

TEST_CASE("attention of one head, forward and backward") {
  for_each_target([&] {
    for (const I d_kv : {I{1}, I{5}, I{8}, I{24}, I{64}}) {
      for (const auto& [query_len, key_len, causal] : {std::tuple<I, I, bool>{1, 1, true},
                                                       {15, 15, false},
                                                       {15, 15, true},
                                                       {7, 33, false},
                                                       {33, 7, false},
                                                       {70, 70, true},
                                                       {3, 130, false}}) {
        for (const float rate : {0.0f, 0.25f}) {
          CAPTURE(d_kv, query_len, key_len, causal, rate);
          Case x{query_len, key_len, d_kv, causal, rate > 0 || causal, rate};
          x.compute();
          Matrix out(query_len, d_kv), lse(query_len, 1), probs(query_len, key_len);
          Matrix dq(query_len, d_kv), dk(key_len, d_kv), dv(key_len, d_kv);
          Matrix grad_bias(1, query_len + key_len, 1.0f);
          Matrix scratch(1, attention_scratch(key_len, d_kv));
          attention(x.call(), x.q.in(), x.k.in(), x.v.in(), out.view(), lse.view(), scratch.data());
          attention_backward(x.call(), x.q.in(), x.k.in(), x.v.in(), out.in(), lse.in(),
                             x.grad_out.in(), dq.view(), dk.view(), dv.view(), x.center(grad_bias),
                             scratch.data());
          attention_probs(x.call(), x.q.in(), x.k.in(), lse.in(), probs.view());
          std::vector<double> want_probs;
          for (const auto& p : x.probs) want_probs.insert(want_probs.end(), p.begin(), p.end());
          REQUIRE(close(lse.values(), x.lse, 1e-6, 1e-6) == "");
          REQUIRE(close(out.values(), x.out, 5e-6, 1e-7) == "");
          REQUIRE(close(probs.values(), want_probs, 5e-6, 0) == "");

          std::vector<double> want_dq, want_dk, want_dv, want_bias(grad_bias.values().size(), 1);
          const auto row = [](const auto& m, I t) -> const auto& {
            return m[static_cast<std::size_t>(t)];
          };
          for (I t = 0; t < query_len; ++t)
            for (I c = 0; c < d_kv; ++c) {
              double sum = 0;
              for (I j = 0; j < key_len; ++j) sum += row(row(x.dscores, t), j) * x.k.at(j, c);
              want_dq.push_back(sum);
            }
          for (I j = 0; j < key_len; ++j)
            for (I c = 0; c < d_kv; ++c) {
              double sum_k = 0, sum_v = 0;
              for (I t = 0; t < query_len; ++t) {
                sum_k += row(row(x.dscores, t), j) * x.q.at(t, c);
                sum_v += row(row(x.probs, t), j) * row(row(x.kept, t), j) * x.grad_out.at(t, c);
              }
              want_dk.push_back(sum_k), want_dv.push_back(sum_v);
            }
          for (I t = 0; t < query_len; ++t)
            for (I j = 0; j < key_len; ++j)
              want_bias[static_cast<std::size_t>(query_len + j - t)] += row(row(x.dscores, t), j);
          REQUIRE(close(dq.values(), want_dq, 1e-5, 1e-6) == "");
          REQUIRE(close(dk.values(), want_dk, 1e-5, 1e-6) == "");
          REQUIRE(close(dv.values(), want_dv, 1e-5, 1e-6) == "");
          REQUIRE(close(grad_bias.values(), want_bias, 1e-5, 1e-6) == "");
          REQUIRE((out.intact() && lse.intact() && dq.intact() && dk.intact() && dv.intact()));
          REQUIRE((grad_bias.intact() && probs.intact() && scratch.intact()));
        }
      }
    }
  });
}

TEST_CASE("a query's bits do not depend on the other queries") {
  for_each_target([&] {
    Case x{41, 41, 24, true, true, 0};
    Matrix scratch(1, attention_scratch(41, 24)), all(41, 24), first(20, 24);
    attention(x.call(), x.q.in(), x.k.in(), x.v.in(), all.view(), {}, scratch.data());
    AttentionHead shorter = x.call();
    shorter.query_len = 20;  // causal: these rows see the same keys
    attention(shorter, x.q.in(), x.k.in(), x.v.in(), first.view(), {}, scratch.data());
    for (I t = 0; t < 20; ++t)
      for (I c = 0; c < 24; ++c) REQUIRE(first.at(t, c) == all.at(t, c));
  });
}

// Rounds x to bfloat16 and returns the result as such.
std::vector<Bf16> rounded(Matrix& x, I rows, I cols) {
  std::vector<Bf16> narrow;
  for (I r = 0; r < rows; ++r) {
    for (I c = 0; c < cols; ++c) {
      narrow.push_back({f32_to_bf16(x.at(r, c))});
      x.at(r, c) = bf16_to_f32(narrow.back().bits);
    }
  }
  return narrow;
}

TEST_CASE("one step attends like the last row of a sequence") {
  const I heads = 3;
  for_each_target([&] {
    for (const I d_kv : {I{4}, I{13}, I{64}}) {
      for (const I keys : {I{1}, I{2}, I{15}, I{66}}) {
        CAPTURE(d_kv, keys);
        Matrix q = random_matrix(1, heads * d_kv, 1), k = random_matrix(keys, heads * d_kv, 2);
        Matrix v = random_matrix(keys, heads * d_kv, 3), bias = random_matrix(heads, keys, 4);
        Matrix out(1, heads * d_kv), scratch(1, attention_step_scratch(keys));
        // Listed last first.
        std::vector<std::int32_t> index;
        for (I j = keys; j-- > 0;) index.push_back(static_cast<std::int32_t>(j));
        const I cols = heads * d_kv;
        const std::vector<Bf16> k16 = rounded(k, keys, cols), v16 = rounded(v, keys, cols);
        const In biases{bias.data() + keys - 1, bias.in().stride};
        std::vector<double> want;
        for (I h = 0; h < heads; ++h) {
          std::vector<double> p;
          double sum = 0;
          for (I j = 0; j < keys; ++j) {
            double score = bias.at(h, keys - 1 - j);
            for (I c = h * d_kv; c < (h + 1) * d_kv; ++c) score += double{q.at(0, c)} * k.at(j, c);
            p.push_back(std::exp(score));
            sum += p.back();
          }
          for (I c = h * d_kv; c < (h + 1) * d_kv; ++c) {
            double total = 0;
            for (I j = 0; j < keys; ++j) total += p[static_cast<std::size_t>(j)] / sum * v.at(j, c);
            want.push_back(total);
          }
        }
        for (const bool narrow : {false, true}) {
          const AnyIn k_in = narrow ? AnyIn(Rows<const Bf16>{k16.data(), cols}) : k.in();
          const AnyIn v_in = narrow ? AnyIn(Rows<const Bf16>{v16.data(), cols}) : v.in();
          attention_step(heads, d_kv, q.in(), {k_in, v_in, index.data(), keys}, biases, out.view(),
                         scratch.data());
          REQUIRE(close(out.values(), want, 5e-6, 1e-7) == "");
          REQUIRE((out.intact() && scratch.intact()));
          out = Matrix(1, cols);
        }
      }
    }
  });
}

}  // namespace
}  // namespace switchyard::simd
