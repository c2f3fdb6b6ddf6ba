// SPDX-License-Identifier: Apache-2.0
// Training in bfloat16 against f32: the loss and every parameter's gradient agree up to rounding.
// Routing does not change: these models have no logits close enough for rounding to swap experts.
#include <cmath>
#include <string>

#include "src/nn/loss.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_model.h"

namespace switchyard {
namespace {

struct Step {
  LossResult loss;
  std::vector<float> grads;
};

Step step_in(DType compute_type, const ModelConfig& config, int threads, const Pass& pass) {
  TinyModel tiny(config, {threads, false, compute_type});
  // With its large values the model would amplify the rounding of an input a hundredfold.
  scale(*tiny.ctx, 0.4f, tiny.values.flat(), tiny.values.flat());
  if (compute_type == DType::bf16) tiny.model.prepare(*tiny.ctx);
  const HostBatch batch = random_batch(config, {3, 17, 1, 30, 9, 22}, {5, 1, 12, 20, 31, 8}, 3);
  LossOptions options;
  options.label_smoothing = 0.1f;
  options.router_aux_loss_coef = 0.5f;
  options.router_z_loss_coef = 0.25f;
  options.ce_scale = 0.02f;
  Step step;
  step.loss = compute_loss(*tiny.ctx, tiny.model, batch, pass, options, &tiny.grads);
  step.grads = tiny.read(tiny.grads.flat());
  return step;
}

// Norms of the error relative to those of the gradient, over all parameters and for the worst one.
// Gradients that nearly cancel, such as those of a relative bias, lose most.
struct Errors {
  double all = 0, worst = 0;
};
Errors errors(const ModelConfig& config, const Step& actual, const Step& expected) {
  const Model model(config);
  Errors result;
  double all_error = 0, all_length = 0;
  model.each_param([&](const Param& param) {
    const auto first =
        static_cast<std::size_t>(model.layout().offset[static_cast<std::size_t>(param.index)]);
    double error = 0, length = 0;
    for (std::size_t i = first; i < first + static_cast<std::size_t>(param.size()); ++i) {
      error += std::pow(double{actual.grads[i]} - double{expected.grads[i]}, 2);
      length += std::pow(double{expected.grads[i]}, 2);
    }
    all_error += error;
    all_length += length;
    if (length > 0) result.worst = std::max(result.worst, std::sqrt(error / length));
  });
  result.all = std::sqrt(all_error / all_length);
  return result;
}

TEST_CASE("gradients in bfloat16 match those in f32 up to rounding") {
  const int threads = GENERATE(1, 3);
  const bool sparse = GENERATE(false, true);
  const bool gated = GENERATE(false, true);
  CAPTURE(threads, sparse, gated);
  // 100, 72 and 37 are not multiples of the panel sizes that packed matrices are padded to.
  ModelConfig config = tiny_config({sparse, false}, {sparse, sparse});
  config.vocab_size = 100;
  config.d_model = 72;
  config.d_ff = 37;
  config.d_kv = 10;
  config.num_heads = 3;
  config.is_gated_act = gated;
  config.tie_word_embeddings = gated;
  config.dense_act_fn = gated ? Activation::gelu_new : Activation::relu;
  Pass pass;
  pass.training = true;
  pass.dropout_rate = 0.1f;
  pass.jitter_noise = 0.01f;
  pass.seed = 5;
  pass.capacity.capacity_factor = sparse ? 1.25f : 0;

  const Step expected = step_in(DType::f32, config, threads, pass);
  const Step actual = step_in(DType::bf16, config, threads, pass);
  CHECK(actual.loss.expert_count == expected.loss.expert_count);
  CHECK(actual.loss.dropped == expected.loss.dropped);
  CHECK(std::abs(actual.loss.loss_sum / expected.loss.loss_sum - 1) < 0.01);
  const Errors error = errors(config, actual, expected);
  CHECK(error.all < 0.06);
  CHECK(error.worst < 0.25);
}

TEST_CASE(
    "in a row-invariant context a sentence has the same bits in every batch, in bfloat16 too") {
  const int threads = GENERATE(1, 2);
  const bool gated = GENERATE(false, true);
  CAPTURE(threads, gated);
  ModelConfig config = tiny_config({true, false}, {gated});
  config.vocab_size = 100;
  config.d_model = 72;
  config.d_ff = 37;
  config.is_gated_act = gated;
  TinyModel tiny(config, {threads, true, DType::bf16});
  const auto logits = [&](const HostBatch& host) {
    const ArenaScope scope(tiny.ctx->saved);
    const Batch batch = upload_batch(*tiny.ctx, tiny.ctx->saved, host, config);
    return tiny.read(tiny.model.logits(*tiny.ctx, {}, batch));
  };
  const HostBatch all = random_batch(config, {3, 17, 1, 30, 9, 22}, {5, 1, 12, 20, 31, 8}, 3);
  std::vector<float> alone;
  for (std::size_t i = 0; i < all.source.size(); ++i)
    for (const float value : logits({{all.source[i]}, {all.target[i]}, {all.sentence[i]}}))
      alone.push_back(value);
  CHECK(logits(all) == alone);
}

}  // namespace
}  // namespace switchyard
