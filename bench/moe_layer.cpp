// SPDX-License-Identifier: Apache-2.0
// moe_layer: what does a Switch layer cost, forward and backward, depending on the numbers of
// tokens and experts and on how the router distributes the tokens? `tax` is its time over that of a
// dense layer of the same active size. Its matmuls include the router's; `of_onednn` is their rate
// over that of oneDNN alone on the same shapes, one shape per expert in use. When experts have few
// tokens each, the tax is due to the bytes of their weights and gradients. Packing weights for
// bfloat16 is not timed: train_step counts it under `update`.
#include <algorithm>
#include <string>
#include <vector>

#include "bench/gemm_rate.h"
#include "bench/harness.h"
#include "src/core/error.h"
#include "src/core/rng.h"
#include "src/nn/model.h"
#include "tools/options.h"

namespace {

using namespace switchyard;
using namespace switchyard::bench;

struct MoeOptions {
  std::vector<std::int64_t> tokens = {1, 4, 16, 64, 256, 1024, 4096};
  std::vector<std::int64_t> num_experts = {1, 8, 32, 128};
  std::vector<std::string> routing = {"balanced", "zipf", "one"};
  std::vector<std::string> compute_types = {"float32", "bfloat16"};
  std::int64_t d_model = 512, d_ff = 512;
  double seconds = 0.1;
  bool json = false;
};

// The expert of each token. Zipf: expert e gets 1 / (e + 1) times the tokens of expert 0.
Ids choose_experts(const std::string& routing, std::int64_t tokens, std::int64_t num_experts) {
  Rng rng(1);
  std::vector<double> up_to;  // cumulative weights of the experts
  for (std::int64_t e = 0; e < num_experts; ++e)
    up_to.push_back((e > 0 ? up_to.back() : 0) + 1 / static_cast<double>(e + 1));
  Ids chosen;
  for (std::int64_t t = 0; t < tokens; ++t) {
    std::int64_t expert = 0;
    if (routing == "balanced") expert = t % num_experts;
    if (routing == "zipf")
      expert = std::upper_bound(up_to.begin(), up_to.end() - 1, rng.uniform() * up_to.back()) -
               up_to.begin();
    chosen.push_back(static_cast<std::int32_t>(expert));
  }
  return chosen;
}

// A model with one Switch layer in its encoder and one dense layer in its decoder.
ModelConfig layer_config(const MoeOptions& o, std::int64_t num_experts) {
  ModelConfig config;
  config.d_model = o.d_model;
  config.d_ff = o.d_ff;
  config.num_experts = num_experts;
  config.num_layers = config.num_decoder_layers = 1;
  config.encoder_sparse = {true};
  config.decoder_sparse = {false};
  config.vocab_size = config.d_kv = config.num_heads = 1;  // not used
  return config;
}

class Layers {
 public:
  Layers(const MoeOptions& o, std::int64_t num_experts, DType type, int threads)
      : options_(o),
        ctx_(make_context({threads, false, type})),
        model_(layer_config(o, num_experts)),
        params_(*ctx_, model_.layout()),
        grads_(*ctx_, model_.layout()) {
    initialise(*ctx_, model_, 1, {}, params_);
    // A token's logit for expert e is element e of the token.
    const Param& router = sparse().router.weight;
    std::vector<float> unit(static_cast<std::size_t>(router.size()));
    for (std::int64_t e = 0; e < num_experts; ++e)
      unit[static_cast<std::size_t>(e * router.cols + e)] = 1;
    upload(*ctx_, unit.data(), router.size(), params_[router]);
    model_.bind(*ctx_, params_);
    if (type == DType::bf16) model_.prepare(*ctx_);
  }

  // Returns the seconds for forward and backward of the Switch layer and of the dense one.
  std::pair<double, double> time(const Ids& experts) {
    const ArenaScope scope(ctx_->saved);
    const auto tokens = static_cast<std::int64_t>(experts.size());
    const View x = token_matrix(tokens, &experts), dy = token_matrix(tokens, nullptr);
    ConstView ids;
    const Ragged ragged = upload_sequences(*ctx_, ctx_->saved, {Ids(experts.size())}, 1, ids);
    Pass pass;
    pass.keep = true;
    const double switch_s = median_seconds(options_.seconds, [&] {
      const ArenaScope saved(ctx_->saved), scratch(ctx_->scratch);
      SwitchLayer::Saved s;
      sparse().forward(*ctx_, pass, x, ragged, s);
      sparse().backward(*ctx_, x, dy, s, {.aux = 1e-2f, .z = 1e-3f}, grads_);
    });
    const Ffn& dense = *model_.decoder.blocks[0].dense;
    const double dense_s = median_seconds(options_.seconds, [&] {
      const ArenaScope saved(ctx_->saved), scratch(ctx_->scratch);
      Ffn::Saved s;
      dense.forward(*ctx_, pass, x, ragged.tags, s);
      dense.backward(*ctx_, x, dy, s, grads_);
    });
    return {switch_s, dense_s};
  }

 private:
  const SwitchLayer& sparse() const { return *model_.encoder.blocks[0].sparse; }

  // Small random numbers, except for a large one at each token's expert.
  View token_matrix(std::int64_t tokens, const Ids* experts) {
    Rng rng(2);
    std::vector<float> host;
    for (std::int64_t i = 0; i < tokens * options_.d_model; ++i)
      host.push_back(static_cast<float>(0.1 * rng.normal()));
    for (std::int64_t t = 0; experts && t < tokens; ++t)
      host[static_cast<std::size_t>(t * options_.d_model +
                                    (*experts)[static_cast<std::size_t>(t)])] = 3;
    const View f32 = ctx_->saved.make(tokens, options_.d_model);
    upload(*ctx_, host.data(), f32.size(), f32);
    const View x = ctx_->saved.make(tokens, options_.d_model, ctx_->compute_type);
    copy(*ctx_, f32, x);
    return x;
  }

  const MoeOptions& options_;
  std::unique_ptr<Context> ctx_;
  Model model_;
  ParamBuffer params_, grads_;
};

// The layer's matmuls with this choice of experts.
Matmuls layer_matmuls(const MoeOptions& o, const Ids& experts, std::int64_t num_experts) {
  Matmuls list = {{static_cast<std::int64_t>(experts.size()), o.d_model, num_experts}};
  std::vector<std::int64_t> rows(static_cast<std::size_t>(num_experts));
  for (const std::int32_t e : experts) ++rows[static_cast<std::size_t>(e)];
  for (const std::int64_t m : rows) {
    if (m == 0) continue;
    list.push_back({m, o.d_model, o.d_ff});
    list.push_back({m, o.d_ff, o.d_model});
  }
  return with_backward(list);
}

int run(int argc, char** argv) {
  MoeOptions o;
  if (!computes_natively(DType::bf16)) o.compute_types = {"float32"};
  Options options({.name = "moe_layer",
                   .usage = "[options]",
                   .about = "Measures one Switch layer, forward and backward"});
  options.group("Bench");
  options.numbers("tokens", o.tokens, 1, 1 << 20, "tokens in the batch");
  options.numbers("num-experts", o.num_experts, 1, 1 << 16, "experts in the layer");
  options.choices("routing", o.routing, {"balanced", "zipf", "one"}, "how tokens choose experts");
  options.choices("compute-type", o.compute_types, {"float32", "bfloat16"}, "matmul precisions");
  options.number("d-model", o.d_model, 1, 65536, "width of the model");
  options.number("d-ff", o.d_ff, 1, 1 << 20, "width inside an expert");
  options.number("seconds", o.seconds, 0.001, 1e3, "time to spend on each of three measurements");
  options.flag("json", o.json, "the last line of stdout is one JSON object");
  if (!options.parse(argc, argv)) return 0;
  check(*std::max_element(o.num_experts.begin(), o.num_experts.end()) <= o.d_model,
        ErrorKind::kUsage, "--num-experts: expected at most --d-model, ", o.d_model);

  Table table({{"bench", "moe_layer"},
               {"machine", backend_description()},
               {"d_model", o.d_model},
               {"d_ff", o.d_ff},
               {"threads", options.threads()}},
              o.json);
  for (const std::string& type_name : o.compute_types) {
    const DType type = type_name == "bfloat16" ? DType::bf16 : DType::f32;
    for (const std::int64_t num_experts : o.num_experts) {
      Layers layers(o, num_experts, type, options.threads());
      for (const std::string& routing : o.routing) {
        for (const std::int64_t tokens : o.tokens) {
          const Ids experts = choose_experts(routing, tokens, num_experts);
          const auto [switch_s, dense_s] = layers.time(experts);
          const Matmuls matmuls = layer_matmuls(o, experts, num_experts);
          const double gflops = flops(matmuls) / switch_s * 1e-9;
          const double rate = gemm_gflops(matmuls, type, 1, options.threads(), o.seconds);
          table.add({{"compute_type", type_name},
                     {"routing", routing},
                     {"experts", num_experts},
                     {"tokens", tokens},
                     {"ms", switch_s * 1e3},
                     {"tokens_per_s", static_cast<double>(tokens) / switch_s},
                     {"gflops", gflops},
                     {"of_onednn", gflops / rate},
                     {"dense_ms", dense_s * 1e3},
                     {"tax", switch_s / dense_s}});
        }
      }
    }
  }
  table.finish();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return switchyard::run_main("moe_layer", [&] { return run(argc, argv); });
}
