// SPDX-License-Identifier: Apache-2.0
// Activation checkpointing: the same bits as without it, in less memory.
#include <string>

#include "src/nn/loss.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_model.h"

namespace switchyard {
namespace {

struct Step {
  LossResult loss;
  std::vector<float> grads;
  std::size_t bytes = 0;  // peak use of the arenas
};

// With dropout, jitter and a capacity that drops tokens.
Step step(bool recompute, const ModelConfig& config, DType compute_type, std::int64_t sentences) {
  TinyModel tiny(config, {2, false, compute_type});
  Pass pass;
  pass.training = true;
  pass.recompute = recompute;
  pass.dropout_rate = 0.2f;
  pass.jitter_noise = 0.1f;
  pass.seed = 5;
  pass.step = 3;
  pass.capacity.capacity_factor = 0.8f;
  LossOptions options;
  options.label_smoothing = 0.1f;
  options.router_aux_loss_coef = 0.5f;
  options.router_z_loss_coef = 0.25f;
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = 0; i < sentences; ++i) lengths.push_back(1 + i * 7 % 13);
  const HostBatch batch = random_batch(config, lengths, lengths, 1);
  Step result;
  result.loss = compute_loss(*tiny.ctx, tiny.model, batch, pass, options, &tiny.grads);
  result.grads = tiny.read(tiny.grads.flat());
  result.bytes = tiny.ctx->saved.peak_bytes() + tiny.ctx->scratch.peak_bytes();
  return result;
}

TEST_CASE("recomputed blocks give the same bits") {
  const DType compute_type = GENERATE(DType::f32, DType::bf16);
  const bool gated = GENERATE(false, true);
  CAPTURE(name_of(compute_type), gated);
  ModelConfig config = tiny_config({true, false, true}, {false, true});
  config.is_gated_act = gated;
  const Step kept = step(false, config, compute_type, 20);
  const Step recomputed = step(true, config, compute_type, 20);
  CHECK(recomputed.grads == kept.grads);
  CHECK(recomputed.loss.loss_sum == kept.loss.loss_sum);
  CHECK(recomputed.loss.router_aux_loss == kept.loss.router_aux_loss);
  CHECK(recomputed.loss.router_z_loss == kept.loss.router_z_loss);
  CHECK(recomputed.loss.expert_count == kept.loss.expert_count);
  CHECK(recomputed.loss.dropped == kept.loss.dropped);
  REQUIRE(kept.loss.dropped.size() == 3);
  CHECK(kept.loss.dropped[0] > 0);
}

TEST_CASE("memory holds little more than one of many blocks") {
  ModelConfig config = tiny_config(std::vector<bool>(8, true), std::vector<bool>(8, false));
  config.d_model = 16;
  config.d_ff = 32;
  const std::size_t kept = step(false, config, DType::f32, 100).bytes;
  const std::size_t recomputed = step(true, config, DType::f32, 100).bytes;
  CAPTURE(kept, recomputed);
  CHECK(recomputed * 3 < kept);
}

}  // namespace
}  // namespace switchyard
