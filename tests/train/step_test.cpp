// SPDX-License-Identifier: Apache-2.0
// Checks absolute values that the trainer passes on: a mistake that is the same in every run shows
// up in no comparison of runs.
#include <cmath>
#include <vector>

#include "src/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/close.h"
#include "tests/support/tiny_model.h"
#include "tests/train/one_share.h"

namespace switchyard {
namespace {

TrainerOptions at_rate(double peak, int workers = 1) {
  TrainerOptions options;
  options.workers = workers;
  options.schedule.peak = peak;
  options.schedule.decay = Schedule::kConstant;
  options.clip_norm = 0;
  return options;
}

TEST_CASE("each update draws new random numbers") {
  ModelConfig config = tiny_config({false, true});
  const bool dropout = GENERATE(true, false);
  const int workers = GENERATE(1, 2);
  CAPTURE(dropout, workers);
  config.dropout_rate = dropout ? 0.5f : 0;
  config.router_jitter_noise = dropout ? 0 : 0.5f;
  TinyModel tiny(config, {workers});
  Trainer trainer(*tiny.ctx, tiny.model, tiny.values, at_rate(0, workers));
  const HostBatch batch = random_batch(config, {6, 5, 7}, {4, 7, 5}, 1);
  // With a learning rate of 0, only the random numbers differ.
  const std::vector<float> before = tiny.read(tiny.values.flat());
  std::vector<double> losses;
  for (int update = 0; update < 4; ++update) losses.push_back(trainer.step({batch}).loss.loss_sum);
  CHECK(tiny.read(tiny.values.flat()) == before);
  for (std::size_t i = 0; i < losses.size(); ++i)
    for (std::size_t j = i + 1; j < losses.size(); ++j) CHECK(losses[i] != losses[j]);
}

TEST_CASE("the first update uses the first rate of the schedule, and parameters move by it") {
  const int workers = GENERATE(1, 2);
  CAPTURE(workers);
  TinyModel tiny(tiny_config(), {workers});
  TrainerOptions options = at_rate(0.02, workers);
  options.schedule.warmup = 4;
  Trainer trainer(*tiny.ctx, tiny.model, tiny.values, options);
  const HostBatch batch = random_batch(tiny.model.config(), {6, 5, 7}, {4, 7, 5}, 1);
  const std::vector<float> before = tiny.read(tiny.values.flat());
  const StepResult first = trainer.step({batch});
  CHECK(std::abs(first.rate - 0.25 * 0.02) < 1e-12);
  // AdamW's first step is the rate times the gradient's sign, unless the gradient is 0.
  const std::vector<float> after = tiny.read(tiny.values.flat());
  std::size_t moved = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const double step = std::abs(double{after[i]} - double{before[i]});
    if (step == 0) continue;
    ++moved;
    CAPTURE(i, step);
    CHECK(std::abs(step - first.rate) < 1e-3 * first.rate);
  }
  CHECK(moved > before.size() / 2);
  for (const double share : {0.5, 0.75, 1.0, 1.0})
    CHECK(std::abs(trainer.step({batch}).rate - share * 0.02) < 1e-12);
}

TEST_CASE("router losses and their gradient are means over accumulated batches") {
  const int workers = GENERATE(1, 2);
  CAPTURE(workers);
  ModelConfig config = tiny_config({true, false}, {true});
  config.dropout_rate = config.router_jitter_noise = 0;
  config.router_aux_loss_coef = 0.5f;  // large enough to matter in the norm
  config.router_z_loss_coef = 0.5f;
  const HostBatch batch = random_batch(config, {6, 5, 7}, {4, 7, 5}, 1);
  const auto step = [&](const std::vector<HostBatch>& batches) {
    TinyModel tiny(config, {workers});
    Trainer trainer(*tiny.ctx, tiny.model, tiny.values, at_rate(0.01, workers));
    return trainer.step(batches);
  };
  const StepResult one = step({batch}), three = step({batch, batch, batch});
  REQUIRE(one.loss.router_aux_loss.size() == 2);
  CHECK(close(three.loss.router_aux_loss, one.loss.router_aux_loss, 1e-5, 0) == "");
  CHECK(close(three.loss.router_z_loss, one.loss.router_z_loss, 1e-5, 0) == "");
  CHECK(std::abs(three.grad_norm - one.grad_norm) < 1e-4 * one.grad_norm);
  CHECK(three.loss.target_tokens == 3 * one.loss.target_tokens);
  // Without router losses the norm is different.
  config.router_aux_loss_coef = config.router_z_loss_coef = 0;
  CHECK(std::abs(step({batch}).grad_norm - one.grad_norm) > 0.01 * one.grad_norm);
}

TEST_CASE("each loss of a step has its own coefficient from the config") {
  ModelConfig config = tiny_config({true, false}, {true});
  config.router_aux_loss_coef = 0.25f;
  config.router_z_loss_coef = 0.125f;
  TrainerOptions options;
  options.label_smoothing = 0.375f;
  const LossOptions loss = training_loss(config, options, 16, 4);
  CHECK(loss.label_smoothing == 0.375f);
  CHECK(loss.router_aux_loss_coef == 0.25f);
  CHECK(loss.router_z_loss_coef == 0.125f);
  CHECK(loss.ce_scale == 1.0f / 16);
  CHECK(loss.router_scale == 1.0f / 4);
}

// At step 1 beta2 is 0, so row and column means are those of the first gradient's squares.
TEST_CASE("Adafactor's first update is step 1, and every parameter has its own state") {
  TinyModel tiny(tiny_config({true, false}, {true}));
  const auto optimizer = make_optimizer(*tiny.ctx, OptimizerKind::adafactor, {}, one_share(tiny));
  Rng rng(3);
  std::vector<float> grad(static_cast<std::size_t>(tiny.grads.flat().size()));
  for (float& x : grad) x = static_cast<float>(rng.normal());
  upload(*tiny.ctx, grad.data(), tiny.grads.flat().size(), tiny.grads.flat());
  std::vector<std::vector<float>> before;
  tiny.model.each_param([&](const Param& p) { before.push_back(tiny.read(tiny.grads[p])); });
  optimizer->step(*tiny.ctx, 0, 1, 0.01, {});
  for (const StateTensor& state : optimizer->state()) {
    const Param& p = *state.param;
    CAPTURE(p.name, state.name);
    const std::vector<float>& g = before[static_cast<std::size_t>(p.index)];
    std::vector<double> expected(static_cast<std::size_t>(state.values.size()));
    for (std::size_t i = 0; i < g.size(); ++i) {
      const auto cols = static_cast<std::size_t>(p.cols);
      const std::size_t at = state.name == "row" ? i / cols : i % cols;
      const double averaged = static_cast<double>(g.size() / expected.size());
      expected[at] += double{g[i]} * double{g[i]} / averaged;
    }
    CHECK(close(tiny.read(state.values), expected, 1e-5, 0) == "");
  }
}

}  // namespace
}  // namespace switchyard
