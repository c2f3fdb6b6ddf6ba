// SPDX-License-Identifier: Apache-2.0
// The whole model's training loss as one scalar template over named parameters: the oracle for
// src/nn, for values and (with the complex step) every gradient. Written from the papers: T5
// (arXiv 1910.10683), Switch Transformers (arXiv 2101.03961), ST-MoE (2202.08906). Shares with
// src/nn only the structs of its interface and the numbering of random-number sites.
#pragma once

#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "src/nn/config.h"
#include "src/nn/loss.h"
#include "tests/reference/ops.h"

namespace switchyard::reference {

// Keyed by Hugging Face's parameter names; a vector is a matrix of one row.
template <class T>
using Parameters = std::map<std::string, Matrix<T>>;

// T5's bucket of key position - query position (section 2.1 of the paper): half of the buckets are
// exact, the others logarithmic up to max_distance. The 1e-6 puts distances on a bucket boundary
// into the upper bucket.
inline std::int32_t position_bucket(std::int64_t relative, bool bidirectional, std::int64_t buckets,
                                    std::int64_t max_distance) {
  if (bidirectional) buckets /= 2;
  const std::int64_t first = bidirectional && relative > 0 ? buckets : 0;
  const std::int64_t distance =
      bidirectional ? std::abs(relative) : std::max<std::int64_t>(-relative, 0);
  const double exact = static_cast<double>(buckets / 2);
  const double n = static_cast<double>(distance);
  double bucket = n;
  if (n >= exact)
    bucket = std::min(static_cast<double>(buckets - 1),
                      exact + std::floor(std::log(n / exact) /
                                             std::log(static_cast<double>(max_distance) / exact) *
                                             (static_cast<double>(buckets) - exact) +
                                         1e-6));
  return static_cast<std::int32_t>(first) + static_cast<std::int32_t>(bucket);
}

// One pass over one batch; after run(), the members hold its results.
template <class T>
class ModelLoss {
 public:
  ModelLoss(const ModelConfig& config, const Parameters<T>& parameters, const Pass& pass,
            const LossOptions& options)
      : c_(config), p_(parameters), pass_(pass), options_(options) {}

  // ce_scale * sum of token losses + router_scale * (aux_coef * balance + z_coef * z losses)
  T objective = T(0);
  T loss_sum = T(0), nll_sum = T(0);
  Matrix<T> logits;  // [target tokens, vocab_size]
  std::vector<RouterLosses<T>> router;
  std::vector<std::vector<std::int32_t>> expert_count;
  std::vector<std::int64_t> dropped;
  // The smallest difference in probability between any token's first and second choice of expert.
  // If it is so small that rounding could change the routing, results cannot be compared.
  double margin = std::numeric_limits<double>::infinity();

  T run(const HostBatch& batch) {
    const Sequences source = sequences(batch.source, batch.sentence);
    const Sequences target = sequences(batch.target, batch.sentence);
    std::vector<Ids> shifted = batch.target;
    for (Ids& ids : shifted) {
      ids.insert(ids.begin(), static_cast<std::int32_t>(c_.decoder_start_token_id));
      ids.pop_back();
    }
    const Matrix<T> memory = stack(false, flat(batch.source), source, {}, source);
    Matrix<T> h = stack(true, flat(shifted), target, memory, source);
    if (c_.scale_decoder_outputs)
      for (T& value : h.values) value /= T(std::sqrt(static_cast<double>(c_.d_model)));
    logits = linear(h, param(c_.tie_word_embeddings ? "shared.weight" : "lm_head.weight"));

    const IntMatrix labels = flat(batch.target);
    for (std::int64_t t = 0; t < logits.rows; ++t) {
      const auto [loss, nll] = cross_entropy(logits, t, labels[t], options_.label_smoothing);
      loss_sum += loss;
      nll_sum += nll;
    }
    objective = T(options_.ce_scale) * loss_sum;
    for (const RouterLosses<T>& r : router)
      objective += T(options_.router_scale) * (T(options_.router_aux_loss_coef) * r.balance +
                                               T(options_.router_z_loss_coef) * r.z);
    return objective;
  }

 private:
  const Matrix<T>& param(const std::string& name) const { return p_.at(name); }

  static Sequences sequences(const std::vector<Ids>& ids,
                             const std::vector<std::uint32_t>& sentence) {
    Sequences s;
    for (std::size_t b = 0; b < ids.size(); ++b) {
      s.offsets.push_back(s.offsets.back() + static_cast<std::int32_t>(ids[b].size()));
      for (std::size_t i = 0; i < ids[b].size(); ++i) {
        s.tags.values.push_back(static_cast<std::int32_t>(sentence[b]));
        s.tags.values.push_back(static_cast<std::int32_t>(i));
      }
    }
    s.tags.rows = s.tokens();
    s.tags.cols = 2;
    return s;
  }
  static IntMatrix flat(const std::vector<Ids>& sequences) {
    IntMatrix ids(0, 1);
    for (const Ids& sequence : sequences)
      ids.values.insert(ids.values.end(), sequence.begin(), sequence.end());
    ids.rows = static_cast<std::int64_t>(ids.values.size());
    return ids;
  }

  Dropout drop_at(std::uint64_t site) const {
    if (!pass_.training) return {};
    return {pass_.dropout_rate, stream_key(pass_.seed, pass_.step, site)};
  }
  Matrix<T> norm(const std::string& name, const Matrix<T>& x) const {
    Matrix<T> inv_rms;
    return rms_norm(x, param(name), c_.layer_norm_epsilon, inv_rms);
  }
  // x += dropout(y)
  void add_residual(const Matrix<T>& y, std::uint64_t site, const IntMatrix& tags,
                    Matrix<T>& x) const {
    const Matrix<T> kept = dropout(drop_at(site), tags, y);
    for (std::size_t i = 0; i < x.values.size(); ++i) x.values[i] += kept.values[i];
  }

  // For self-attention, `spec` has the position bias; for cross-attention, no bias.
  Matrix<T> attend(const std::string& name, AttentionSpec<T> spec, const Sequences& queries,
                   const Sequences& keys, const Matrix<T>& x, const Matrix<T>& memory,
                   std::uint64_t site) const {
    spec.num_heads = c_.num_heads;
    spec.d_kv = c_.d_kv;
    spec.drop = drop_at(site);
    Matrix<T> logsumexp;
    const Matrix<T> context = attention(spec, queries, keys, linear(x, param(name + ".q.weight")),
                                        linear(memory, param(name + ".k.weight")),
                                        linear(memory, param(name + ".v.weight")), logsumexp);
    return linear(context, param(name + ".o.weight"));
  }

  FeedForward<T> feed_forward_weights(const std::string& name) const {
    if (c_.is_gated_act)
      return {param(name + ".wi_0.weight"), param(name + ".wi_1.weight"),
              param(name + ".wo.weight")};
    return {param(name + ".wi.weight"), {}, param(name + ".wo.weight")};
  }
  Matrix<T> dense(const std::string& name, const Matrix<T>& x, const IntMatrix& tags,
                  std::uint64_t site) const {
    FeedForwardSaved<T> saved;
    return feed_forward(feed_forward_weights(name), c_.dense_act_fn, drop_at(site), tags, x, saved);
  }

  // Passes each token through its expert separately: no sorting, no slots.
  Matrix<T> sparse(const std::string& name, const Matrix<T>& x, const Sequences& tokens,
                   std::uint64_t site) {
    Matrix<T> router_in = x;
    if (pass_.training)
      router_in =
          jitter(pass_.jitter_noise, stream_key(pass_.seed, pass_.step, site + 1), tokens.tags, x);
    Matrix<T> router_logits = linear(router_in, param(name + ".router.classifier.weight"));
    if (c_.router_bias) add_bias(param(name + ".router.classifier.bias"), router_logits);
    const Routes<T> r = route(router_logits, capacity(x.rows), tokens);
    router.push_back(router_losses(r));
    expert_count.push_back(r.expert_count.values);
    dropped.push_back(0);

    Matrix<T> y(x.rows, x.cols);
    for (std::int64_t t = 0; t < x.rows; ++t) {
      const std::int64_t e = r.expert_index[t];
      if (c_.num_experts > 1)
        margin = std::min(margin,
                          real_part(r.probs(t, e)) - real_part(r.probs(t, argmax(r.probs, t, e))));
      if (r.slot_of_token[t] < 0) {
        ++dropped.back();
        continue;
      }
      const IntMatrix one(1, 1, static_cast<std::int32_t>(t));
      const Matrix<T> out = dense(name + ".experts.expert_" + std::to_string(e),
                                  gather_rows(x, one), gather_rows(tokens.tags, one), site);
      for (std::int64_t i = 0; i < y.cols; ++i) y(t, i) = r.combine_weight[t] * out[i];
    }
    return y;
  }
  Capacity capacity(std::int64_t tokens) const {
    if (pass_.capacity.expert_capacity > 0)
      return {Capacity::kPerSequence, pass_.capacity.expert_capacity};
    if (pass_.capacity.capacity_factor > 0)
      return {Capacity::kPerBatch,
              static_cast<std::int64_t>(std::ceil(static_cast<double>(tokens) *
                                                  pass_.capacity.capacity_factor * (1 - 1e-6) /
                                                  static_cast<double>(c_.num_experts)))};
    return {};
  }

  AttentionSpec<T> positions(const std::string& name, bool decoder, const Sequences& tokens) const {
    AttentionSpec<T> spec;
    spec.causal = decoder;
    for (std::int64_t b = 0; b < tokens.batch(); ++b)
      spec.center = std::max(spec.center, tokens.end(b) - tokens.begin(b) - 1);
    IntMatrix bucket(1, 2 * spec.center + 1);
    for (std::int64_t i = 0; i < bucket.cols; ++i)
      bucket[i] = position_bucket(i - spec.center, !decoder, c_.relative_attention_num_buckets,
                                  c_.relative_attention_max_distance);
    spec.bias = expand_bias(
        param(name + ".block.0.layer.0.SelfAttention.relative_attention_bias.weight"), bucket);
    return spec;
  }

  Matrix<T> stack(bool decoder, const IntMatrix& ids, const Sequences& tokens,
                  const Matrix<T>& memory, const Sequences& keys) {
    // Random-number sites: the stack's own first, then 8 per block.
    const std::uint64_t first_site = decoder ? std::uint64_t{1} << 20 : 0;
    const std::string name = decoder ? "decoder" : "encoder";
    const AttentionSpec<T> position = positions(name, decoder, tokens);
    Matrix<T> x =
        embed(param(c_.separate_embeddings ? name + ".embed_tokens.weight" : "shared.weight"), ids);
    x = dropout(drop_at(first_site), tokens.tags, x);
    const std::vector<bool>& is_sparse = decoder ? c_.decoder_sparse : c_.encoder_sparse;
    for (std::size_t i = 0; i < is_sparse.size(); ++i) {
      const std::uint64_t site = first_site + 8 * (i + 1);
      const std::string layer = name + ".block." + std::to_string(i) + ".layer.";
      const Matrix<T> h = norm(layer + "0.layer_norm.weight", x);
      add_residual(attend(layer + "0.SelfAttention", position, tokens, tokens, h, h, site),
                   site + 1, tokens.tags, x);
      if (decoder) {
        const Matrix<T> query = norm(layer + "1.layer_norm.weight", x);
        add_residual(attend(layer + "1.EncDecAttention", {}, tokens, keys, query, memory, site + 2),
                     site + 3, tokens.tags, x);
      }
      const std::string ffn = layer + (decoder ? "2" : "1");
      const Matrix<T> u = norm(ffn + ".layer_norm.weight", x);
      add_residual(is_sparse[i] ? sparse(ffn + ".mlp", u, tokens, site + 4)
                                : dense(ffn + ".mlp", u, tokens.tags, site + 4),
                   site + 6, tokens.tags, x);
    }
    return dropout(drop_at(first_site + 1), tokens.tags,
                   norm(name + ".final_layer_norm.weight", x));
  }

  const ModelConfig& c_;
  const Parameters<T>& p_;
  const Pass& pass_;
  const LossOptions& options_;
};

}  // namespace switchyard::reference
