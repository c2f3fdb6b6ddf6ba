// SPDX-License-Identifier: Apache-2.0
#include "src/nn/config.h"

#include <functional>
#include <limits>
#include <set>
#include <string>

#include "src/core/error.h"
#include "src/nn/model.h"
#include "src/nn/relative_bias.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_model.h"

namespace switchyard {
namespace {

// The message of the Error that f throws; "" if it throws none.
template <class F>
std::string error_of(F&& f, ErrorKind kind = ErrorKind::kData) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.kind() == kind);
    return e.what();
  }
  return "";
}

using Set = std::function<void(ModelConfig&)>;

// Each of these must be rejected with a message that begins with the field's name.
struct Bad {
  const char* field;
  const char* how;
  Set set;
};

std::vector<Bad> bad_integers() {
  struct Field {
    const char* name;
    std::int64_t ModelConfig::*member;
    bool zero_is_bad;
  };
  const Field fields[] = {
      {"vocab_size", &ModelConfig::vocab_size, true},
      {"d_model", &ModelConfig::d_model, true},
      {"d_kv", &ModelConfig::d_kv, true},
      {"d_ff", &ModelConfig::d_ff, true},
      {"num_heads", &ModelConfig::num_heads, true},
      {"num_layers", &ModelConfig::num_layers, true},
      {"num_decoder_layers", &ModelConfig::num_decoder_layers, true},
      {"num_experts", &ModelConfig::num_experts, true},
      {"expert_capacity", &ModelConfig::expert_capacity, true},
      {"relative_attention_num_buckets", &ModelConfig::relative_attention_num_buckets, true},
      {"relative_attention_max_distance", &ModelConfig::relative_attention_max_distance, true},
      {"pad_token_id", &ModelConfig::pad_token_id, false},
      {"eos_token_id", &ModelConfig::eos_token_id, false},
      {"decoder_start_token_id", &ModelConfig::decoder_start_token_id, false},
  };
  std::vector<Bad> bad;
  for (const Field& f : fields) {
    const auto member = f.member;
    if (f.zero_is_bad) bad.push_back({f.name, "0", [=](ModelConfig& c) { c.*member = 0; }});
    bad.push_back({f.name, "-1", [=](ModelConfig& c) { c.*member = -1; }});
    bad.push_back({f.name, "huge",
                   [=](ModelConfig& c) { c.*member = std::numeric_limits<std::int64_t>::max(); }});
    bad.push_back({f.name, "lowest",
                   [=](ModelConfig& c) { c.*member = std::numeric_limits<std::int64_t>::min(); }});
  }
  return bad;
}

std::vector<Bad> bad_numbers() {
  struct Field {
    const char* name;
    float ModelConfig::*member;
  };
  const Field fields[] = {
      {"router_jitter_noise", &ModelConfig::router_jitter_noise},
      {"router_z_loss_coef", &ModelConfig::router_z_loss_coef},
      {"router_aux_loss_coef", &ModelConfig::router_aux_loss_coef},
      {"dropout_rate", &ModelConfig::dropout_rate},
      {"initializer_factor", &ModelConfig::initializer_factor},
      {"layer_norm_epsilon", &ModelConfig::layer_norm_epsilon},
  };
  std::vector<Bad> bad;
  for (const Field& f : fields)
    for (const float value : {-1.0f, 1e30f, std::numeric_limits<float>::infinity(),
                              std::numeric_limits<float>::quiet_NaN()}) {
      const auto member = f.member;
      bad.push_back({f.name, "out of range", [=](ModelConfig& c) { c.*member = value; }});
    }
  return bad;
}

TEST_CASE("validate rejects every field out of range, by name") {
  CHECK(error_of([] { validate(tiny_config()); }) == "");
  CHECK(error_of([] { validate(ModelConfig{}); }) == "");
  std::vector<Bad> table = bad_integers();
  for (const Bad& bad : bad_numbers()) table.push_back(bad);
  for (const Bad& bad : table) {
    CAPTURE(bad.field, bad.how);
    ModelConfig c = tiny_config({true, false}, {true});
    bad.set(c);
    CHECK(error_of([&] { validate(c); }).rfind(bad.field, 0) == 0);
  }
}

TEST_CASE("validate rejects contradictions") {
  const auto refused = [](const Set& set) {
    ModelConfig c = tiny_config({true, false}, {true});
    set(c);
    return error_of([&] { validate(c); }) != "";
  };
  CHECK(refused([](ModelConfig& c) { c.model_type = "t5"; }));  // with sparse layers
  CHECK(refused([](ModelConfig& c) { c.model_type = "bart"; }));
  CHECK(refused([](ModelConfig& c) { c.model_type = ""; }));
  CHECK(refused([](ModelConfig& c) { c.num_layers = 3; }));  // two are described
  CHECK(refused([](ModelConfig& c) { c.num_decoder_layers = 2; }));
  CHECK(refused([](ModelConfig& c) { c.decoder_sparse.clear(); }));
  CHECK(refused([](ModelConfig& c) { c.pad_token_id = c.vocab_size; }));
  CHECK(refused([](ModelConfig& c) { c.eos_token_id = c.vocab_size; }));
  CHECK(refused([](ModelConfig& c) { c.decoder_start_token_id = c.vocab_size; }));
  CHECK(refused([](ModelConfig& c) { c.relative_attention_max_distance = 3; }));  // of 6 buckets
  // Each in range, but too many parameters together.
  CHECK(refused([](ModelConfig& c) {
    c.d_model = 1 << 16;
    c.d_ff = 1 << 20;
    c.num_experts = 1 << 16;
  }));
}

std::vector<int> places(const std::vector<bool>& sparse) {
  std::vector<int> indices;
  for (std::size_t i = 0; i < sparse.size(); ++i)
    if (sparse[i]) indices.push_back(static_cast<int>(i));
  return indices;
}

TEST_CASE("sparse_layers follows Hugging Face, or says why it cannot") {
  using Places = std::vector<int>;
  CHECK(places(sparse_layers(12, 6)) == Places{1, 3, 5, 7, 9, 11});
  CHECK(places(sparse_layers(12, 3)) == Places{1, 5, 9});
  CHECK(places(sparse_layers(12, 4)) == Places{1, 4, 7, 10});
  CHECK(places(sparse_layers(12, 1)) == Places{1});
  CHECK(places(sparse_layers(3, 3)) == Places{0, 1, 2});
  CHECK(places(sparse_layers(1, 1)) == Places{0});
  // In Hugging Face's code 0 gives one sparse layer; here 0 means none.
  CHECK(places(sparse_layers(12, 0)) == Places{});
  CHECK(sparse_layers(12, 0).size() == 12);
  // Hugging Face's code places six for 5 of 12, five for 3 of 5, three for 2 of 3.
  for (const auto& [layers, sparse] : {std::pair{12, 5}, {5, 3}, {3, 2}, {12, 13}, {12, -1}}) {
    CAPTURE(layers, sparse);
    CHECK(error_of([&] { sparse_layers(layers, sparse); }, ErrorKind::kUsage) != "");
  }
  CHECK(places(sparse_layers_by_step(6, 0)) == Places{});
  CHECK(places(sparse_layers_by_step(6, 1)) == Places{0, 1, 2, 3, 4, 5});
  CHECK(places(sparse_layers_by_step(6, 4)) == Places{1, 5});
}

// The first distance of each bucket for 32 buckets and distance 128, as printed by
// _relative_position_bucket of transformers 5.23.
TEST_CASE("relative_position_bucket has T5's bucket boundaries") {
  const std::vector<std::int64_t> both = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
  const std::vector<std::int64_t> causal = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                            11, 12, 13, 14, 15, 16, 19, 21, 24, 27, 31,
                                            35, 40, 46, 52, 59, 67, 77, 87, 99, 113};
  const auto expected = [](const std::vector<std::int64_t>& thresholds, std::int64_t distance) {
    std::int64_t bucket = -1;
    for (const std::int64_t threshold : thresholds) bucket += distance >= threshold;
    return bucket;
  };
  for (std::int64_t n = 0; n <= 4096; ++n) {
    CAPTURE(n);
    CHECK(relative_position_bucket(-n, true, 32, 128) == expected(both, n));
    CHECK(relative_position_bucket(n, true, 32, 128) == expected(both, n) + (n > 0 ? 16 : 0));
    CHECK(relative_position_bucket(-n, false, 32, 128) == expected(causal, n));
    CHECK(relative_position_bucket(n, false, 32, 128) == 0);
  }
}

// Distances on a bucket boundary: in exact arithmetic each step is a whole number, so float
// rounding decides. Computed in double, each of these falls into the neighboring bucket. Values
// from T5Attention._relative_position_bucket of transformers 4.57.6 with torch 2.15, eager and
// compiled. Where the two disagree (11 of 16,744 configurations of up to 64 buckets; torch's eager
// logarithm is off by up to one unit in the last place), ours matches the compiled one.
TEST_CASE("relative_position_bucket is computed in float") {
  struct Threshold {
    std::int64_t num_buckets, max_distance;
    bool bidirectional;
    std::int64_t distance, bucket;
  };
  const Threshold thresholds[] = {
      {18, 128, true, 8, 5},   {18, 128, true, 16, 6},  {18, 128, true, 64, 8},
      {18, 4096, true, 16, 5}, {19, 4096, true, 64, 6}, {34, 27, true, 18, 13},
      {35, 27, true, 18, 13},  {9, 128, false, 8, 5},   {9, 128, false, 16, 6},
      {9, 4096, false, 64, 6}, {17, 27, false, 18, 13}, {19, 16, false, 12, 14},
      {36, 32, false, 24, 27}, {48, 81, false, 54, 39}, {51, 36, false, 30, 38},
      {51, 49, false, 35, 37}, {54, 64, false, 36, 36}, {54, 125, false, 75, 45},
      {55, 48, false, 36, 41},
  };
  for (const Threshold& t : thresholds) {
    CAPTURE(t.num_buckets, t.max_distance, t.bidirectional, t.distance);
    const auto bucket = [&](std::int64_t relative_position) {
      return relative_position_bucket(relative_position, t.bidirectional, t.num_buckets,
                                      t.max_distance);
    };
    CHECK(bucket(-t.distance) == t.bucket);
    CHECK(bucket(t.distance) == (t.bidirectional ? t.bucket + t.num_buckets / 2 : 0));
  }
}

TEST_CASE("each_param lists every tensor once, by Hugging Face's names") {
  ModelConfig c = tiny_config({false, true}, {true});
  c.router_bias = true;
  c.num_experts = 2;
  c.tie_word_embeddings = false;
  const std::vector<std::string> expected = {
      "shared.weight",
      "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
      "encoder.block.0.layer.0.SelfAttention.q.weight",
      "encoder.block.0.layer.0.SelfAttention.k.weight",
      "encoder.block.0.layer.0.SelfAttention.v.weight",
      "encoder.block.0.layer.0.SelfAttention.o.weight",
      "encoder.block.0.layer.0.layer_norm.weight",
      "encoder.block.0.layer.1.mlp.wi.weight",
      "encoder.block.0.layer.1.mlp.wo.weight",
      "encoder.block.0.layer.1.layer_norm.weight",
      "encoder.block.1.layer.0.SelfAttention.q.weight",
      "encoder.block.1.layer.0.SelfAttention.k.weight",
      "encoder.block.1.layer.0.SelfAttention.v.weight",
      "encoder.block.1.layer.0.SelfAttention.o.weight",
      "encoder.block.1.layer.0.layer_norm.weight",
      "encoder.block.1.layer.1.mlp.router.classifier.weight",
      "encoder.block.1.layer.1.mlp.router.classifier.bias",
      "encoder.block.1.layer.1.mlp.experts.expert_0.wi.weight",
      "encoder.block.1.layer.1.mlp.experts.expert_0.wo.weight",
      "encoder.block.1.layer.1.mlp.experts.expert_1.wi.weight",
      "encoder.block.1.layer.1.mlp.experts.expert_1.wo.weight",
      "encoder.block.1.layer.1.layer_norm.weight",
      "encoder.final_layer_norm.weight",
      "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
      "decoder.block.0.layer.0.SelfAttention.q.weight",
      "decoder.block.0.layer.0.SelfAttention.k.weight",
      "decoder.block.0.layer.0.SelfAttention.v.weight",
      "decoder.block.0.layer.0.SelfAttention.o.weight",
      "decoder.block.0.layer.0.layer_norm.weight",
      "decoder.block.0.layer.1.EncDecAttention.q.weight",
      "decoder.block.0.layer.1.EncDecAttention.k.weight",
      "decoder.block.0.layer.1.EncDecAttention.v.weight",
      "decoder.block.0.layer.1.EncDecAttention.o.weight",
      "decoder.block.0.layer.1.layer_norm.weight",
      "decoder.block.0.layer.2.mlp.router.classifier.weight",
      "decoder.block.0.layer.2.mlp.router.classifier.bias",
      "decoder.block.0.layer.2.mlp.experts.expert_0.wi.weight",
      "decoder.block.0.layer.2.mlp.experts.expert_0.wo.weight",
      "decoder.block.0.layer.2.mlp.experts.expert_1.wi.weight",
      "decoder.block.0.layer.2.mlp.experts.expert_1.wo.weight",
      "decoder.block.0.layer.2.layer_norm.weight",
      "decoder.final_layer_norm.weight",
      "lm_head.weight",
  };
  const Model model(c);
  std::vector<std::string> names;
  std::int64_t parameters = 0;
  model.each_param([&](const Param& param) {
    CHECK(param.index == static_cast<std::int64_t>(names.size()));
    names.push_back(param.name);
    parameters += param.size();
  });
  CHECK(names == expected);
  CHECK(parameters == parameter_count(c));
  CHECK(active_parameter_count(c) ==
        parameters - 2 * (2 * c.d_model * c.d_ff));  // one expert fewer in each of 2 layers

  c.tie_word_embeddings = true;
  c.separate_embeddings = true;
  c.is_gated_act = true;
  c.num_experts = 5;
  std::set<std::string> gated;
  parameters = 0;
  Model(c).each_param([&](const Param& param) {
    CHECK(gated.insert(param.name).second);
    parameters += param.size();
  });
  CHECK(parameters == parameter_count(c));
  CHECK(active_parameter_count(c) == parameters - 2 * 4 * (3 * c.d_model * c.d_ff));
  for (const char* name :
       {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight",
        "encoder.block.0.layer.1.mlp.wi_0.weight", "encoder.block.0.layer.1.mlp.wi_1.weight"})
    CHECK(gated.count(name) == 1);
  CHECK(gated.count("lm_head.weight") == 0);
  CHECK(gated.count("encoder.block.0.layer.1.mlp.wi.weight") == 0);
}

TEST_CASE("activation names") {
  for (const char* name : {"relu", "gelu", "gelu_new", "silu"})
    CHECK(activation_name(activation_from_name(name)) == name);
  CHECK(activation_from_name("swish") == Activation::silu);
  for (const char* name : {"", "gated-gelu", "Relu", "tanh"}) {
    CAPTURE(name);
    CHECK(error_of([&] { activation_from_name(name); }) != "");
  }
}

}  // namespace
}  // namespace switchyard
