// SPDX-License-Identifier: Apache-2.0
#include "src/nn/config.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/nn/model.h"

namespace switchyard {

namespace {

void in_range(const char* field, std::int64_t value, std::int64_t low, std::int64_t high) {
  check(value >= low && value <= high, ErrorKind::kData, field, ": ", value, ", expected ", low,
        " to ", high);
}

void in_range(const char* field, float value, float low, float high) {
  check(value >= low && value <= high, ErrorKind::kData, field, ": ", value, ", expected ", low,
        " to ", high);
}

}  // namespace

std::int64_t ModelConfig::sparse_count() const {
  return std::count(encoder_sparse.begin(), encoder_sparse.end(), true) +
         std::count(decoder_sparse.begin(), decoder_sparse.end(), true);
}

void validate(const ModelConfig& c) {
  check(c.model_type == "switch_transformers" || c.model_type == "t5", ErrorKind::kData,
        "model_type: \"", escaped(c.model_type), "\", expected \"switch_transformers\" or \"t5\"");
  in_range("vocab_size", c.vocab_size, 3, std::int64_t{1} << 24);
  in_range("d_model", c.d_model, 1, 1 << 16);
  in_range("d_kv", c.d_kv, 1, 1 << 14);
  in_range("d_ff", c.d_ff, 1, 1 << 20);
  in_range("num_heads", c.num_heads, 1, 1 << 12);
  in_range("num_layers", c.num_layers, 1, 1 << 10);
  in_range("num_decoder_layers", c.num_decoder_layers, 1, 1 << 10);
  in_range("num_experts", c.num_experts, 1, 1 << 16);
  in_range("expert_capacity", c.expert_capacity, 1, std::numeric_limits<std::int32_t>::max());
  in_range("router_jitter_noise", c.router_jitter_noise, 0.0f, 0.99f);
  in_range("router_z_loss_coef", c.router_z_loss_coef, 0.0f, 1e6f);
  in_range("router_aux_loss_coef", c.router_aux_loss_coef, 0.0f, 1e6f);
  in_range("relative_attention_num_buckets", c.relative_attention_num_buckets, 4, 1 << 16);
  // Half of the buckets are exact distances; the logarithmic ones need distances beyond them.
  in_range("relative_attention_max_distance", c.relative_attention_max_distance,
           c.relative_attention_num_buckets / 2 + 1, std::int64_t{1} << 24);
  in_range("dropout_rate", c.dropout_rate, 0.0f, 0.99f);
  in_range("initializer_factor", c.initializer_factor, 0.0f, 1e6f);
  in_range("layer_norm_epsilon", c.layer_norm_epsilon, 0.0f, 1.0f);
  in_range("pad_token_id", c.pad_token_id, 0, c.vocab_size - 1);
  in_range("eos_token_id", c.eos_token_id, 0, c.vocab_size - 1);
  in_range("decoder_start_token_id", c.decoder_start_token_id, 0, c.vocab_size - 1);
  check(static_cast<std::int64_t>(c.encoder_sparse.size()) == c.num_layers, ErrorKind::kData,
        "num_layers: ", c.num_layers, ", but encoder_sparse describes ",
        counted(std::ssize(c.encoder_sparse), "layer"));
  check(static_cast<std::int64_t>(c.decoder_sparse.size()) == c.num_decoder_layers,
        ErrorKind::kData, "num_decoder_layers: ", c.num_decoder_layers,
        ", but decoder_sparse describes ", counted(std::ssize(c.decoder_sparse), "layer"));
  check(c.model_type != "t5" || c.sparse_count() == 0, ErrorKind::kData, "model_type: \"t5\" with ",
        counted(c.sparse_count(), "sparse layer"), ", expected none");
  // In floating point, since hostile sizes overflow the exact count.
  const double per_layer =
      9.0 * static_cast<double>(c.d_model) * static_cast<double>(c.inner_dim()) +
      3.0 * static_cast<double>(c.d_model) * static_cast<double>(c.d_ff) *
          static_cast<double>(c.num_experts);
  const double bound = 2.0 * static_cast<double>(c.vocab_size) * static_cast<double>(c.d_model) +
                       per_layer * static_cast<double>(c.num_layers + c.num_decoder_layers);
  check(bound < 0x1p50 && parameter_count(c) < (std::int64_t{1} << 41), ErrorKind::kData,
        "these sizes amount to about ", bound, " parameters, expected fewer than 2^41");
}

std::vector<bool> sparse_layers_by_step(std::int64_t layers, std::int64_t step) {
  std::vector<bool> sparse(static_cast<std::size_t>(layers), false);
  for (std::int64_t i = 0; i < layers; ++i)
    sparse[static_cast<std::size_t>(i)] = step == 1 || (step > 1 && i % step == 1);
  return sparse;
}

std::vector<bool> sparse_layers(std::int64_t layers, std::int64_t sparse) {
  check(sparse >= 0 && sparse <= layers, ErrorKind::kUsage, counted(sparse, "sparse layer"),
        " among ", layers, ", expected 0 to ", layers);
  if (sparse == 0) return std::vector<bool>(static_cast<std::size_t>(layers), false);
  std::vector<bool> placed = sparse_layers_by_step(layers, layers / sparse);
  const auto made = std::count(placed.begin(), placed.end(), true);
  if (made != sparse) {
    std::string possible;
    for (std::int64_t n = 1; n <= layers; ++n) {
      const auto by_step = sparse_layers_by_step(layers, layers / n);
      if (std::count(by_step.begin(), by_step.end(), true) == n)
        possible += (possible.empty() ? "" : ", ") + std::to_string(n);
    }
    fail(ErrorKind::kUsage, counted(sparse, "sparse layer"), " among ", layers,
         " cannot be evenly spaced; possible values: 0, ", possible);
  }
  return placed;
}

Activation activation_from_name(const std::string& name) {
  if (name == "relu") return Activation::relu;
  if (name == "gelu") return Activation::gelu;
  if (name == "gelu_new") return Activation::gelu_new;
  if (name == "silu" || name == "swish") return Activation::silu;
  fail(ErrorKind::kData, "activation \"", escaped(name),
       "\", expected relu, gelu, gelu_new or silu");
}

std::string activation_name(Activation act) {
  switch (act) {
    case Activation::relu:
      return "relu";
    case Activation::gelu:
      return "gelu";
    case Activation::gelu_new:
      return "gelu_new";
    case Activation::silu:
      return "silu";
  }
  return "";
}

}  // namespace switchyard
