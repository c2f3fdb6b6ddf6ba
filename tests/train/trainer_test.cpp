// SPDX-License-Identifier: Apache-2.0
// The trainer and its parts: schedules, AdamW against a scalar version in double, accumulation.
#include "src/train/trainer.h"

#include <cmath>
#include <string>

#include "src/core/error.h"
#include "tests/support/catch.h"
#include "tests/support/close.h"
#include "tests/support/tiny_model.h"
#include "tests/train/one_share.h"

namespace switchyard {
namespace {

TEST_CASE("learning rates") {
  Schedule s;
  s.peak = 1;
  s.warmup = 4;
  SECTION("inverse square root: half the peak at half the warm-up, and at four times it") {
    s.decay = Schedule::kInverseSqrt;
    CHECK(learning_rate(s, 1) == 0.25);
    CHECK(learning_rate(s, 2) == 0.5);
    CHECK(learning_rate(s, 4) == 1);
    CHECK(learning_rate(s, 16) == 0.5);
  }
  SECTION("inverse square root that begins later than the warm-up ends") {
    s.decay = Schedule::kInverseSqrt;
    s.decay_start = 9;
    CHECK(learning_rate(s, 9) == 1);
    CHECK(learning_rate(s, 36) == 0.5);
    s.decay_start = 0;
    CHECK(learning_rate(s, 36) == 1);
  }
  SECTION("linear: zero at the last update and after it") {
    s.decay = Schedule::kLinear;
    s.last_update = 12;
    CHECK(learning_rate(s, 4) == 1);
    CHECK(learning_rate(s, 8) == 0.5);
    CHECK(learning_rate(s, 12) == 0);
    CHECK(learning_rate(s, 20) == 0);
  }
  SECTION("constant, no warm-up") {
    s.decay = Schedule::kConstant;
    s.warmup = 0;
    CHECK(learning_rate(s, 1) == 1);
    CHECK(learning_rate(s, 1000000) == 1);
  }
}

ModelConfig dense_config() {
  ModelConfig c = tiny_config();
  c.dropout_rate = 0;
  return c;
}

TrainerOptions constant_rate(double rate) {
  TrainerOptions options;
  options.schedule.peak = rate;
  options.schedule.decay = Schedule::kConstant;
  options.clip_norm = 0;
  return options;
}

TEST_CASE("three clipped and decayed updates of AdamW match a scalar version in double") {
  TinyModel tiny(dense_config());
  TrainerOptions options = constant_rate(0.01);
  options.adamw = {0.9f, 0.98f, 1e-6f, 0.1f};
  options.clip_norm = 0.5f;
  Trainer trainer(*tiny.ctx, tiny.model, tiny.values, options);
  const HostBatch batch = random_batch(tiny.model.config(), {3, 5}, {4, 2}, 1);

  const std::vector<float> start = tiny.read(tiny.values.flat());
  std::vector<double> p(start.begin(), start.end()), m(p.size()), v(p.size());
  for (int step = 1; step <= 3; ++step) {
    // The gradient at the current values, computed separately.
    LossOptions loss;
    loss.label_smoothing = options.label_smoothing;
    loss.ce_scale = 1.0f / 6;
    Pass pass;
    pass.training = true;
    fill(*tiny.ctx, 0, tiny.grads.flat());
    compute_loss(*tiny.ctx, tiny.model, batch, pass, loss, &tiny.grads);
    const std::vector<float> g = tiny.read(tiny.grads.flat());
    double norm = 0;
    for (const float x : g) norm += double{x} * double{x};
    norm = std::sqrt(norm);
    const double scale = norm > 0.5 ? 0.5 / norm : 1;
    for (std::size_t i = 0; i < p.size(); ++i) {
      m[i] = 0.9 * m[i] + 0.1 * scale * g[i];
      v[i] = 0.98 * v[i] + 0.02 * scale * g[i] * scale * g[i];
      const double m_hat = m[i] / (1 - std::pow(0.9, step));
      const double v_hat = v[i] / (1 - std::pow(0.98, step));
      p[i] -= 0.01 * (0.1 * p[i] + m_hat / (std::sqrt(v_hat) + 1e-6));
    }
    const StepResult result = trainer.step({batch});
    CHECK(result.loss.target_tokens == 6);
    CHECK(std::abs(result.grad_norm - norm) < 1e-4 * norm);
    // If an element's gradient is close to eps, rounding affects its step noticeably.
    CHECK(close(tiny.read(tiny.values.flat()), p, 1e-4, 0) == "");
  }
  CHECK(trainer.counters().update == 3);
}

TEST_CASE("a refused batch discards the gradients of those before it") {
  const ModelConfig config = dense_config();
  TinyModel disturbed(config), plain(config);
  Trainer a(*disturbed.ctx, disturbed.model, disturbed.values, constant_rate(0.01));
  Trainer b(*plain.ctx, plain.model, plain.values, constant_rate(0.01));
  const HostBatch good = random_batch(config, {3, 5}, {4, 2}, 1);
  HostBatch bad = good;
  bad.target.back().front() = static_cast<std::int32_t>(config.vocab_size);
  CHECK_THROWS_AS(a.step({good, bad}), Error);
  a.step({good});
  b.step({good});
  CHECK(disturbed.read(disturbed.values.flat()) == plain.read(plain.values.flat()));
}

TEST_CASE("measuring the arenas a batch needs changes no step") {
  const ModelConfig config = tiny_config({true, false}, {true});
  const auto batch_of = [&](std::size_t sentences) {
    return random_batch(config, std::vector<std::int64_t>(sentences, 5),
                        std::vector<std::int64_t>(sentences, 6), 1);
  };
  TinyModel measured(config), plain(config);
  Trainer a(*measured.ctx, measured.model, measured.values, constant_rate(0.01));
  Trainer b(*plain.ctx, plain.model, plain.values, constant_rate(0.01));
  // At these sizes rounding rows up to 64 adds little. Unused ends of blocks count.
  const std::int64_t eighth = a.measure_arenas(batch_of(512));
  const std::int64_t whole = a.measure_arenas(batch_of(4096));
  CHECK(whole > 7 * static_cast<double>(eighth));
  CHECK(whole < 9 * static_cast<double>(eighth));
  a.step({batch_of(4096)});
  b.step({batch_of(4096)});
  const Context& ctx = *measured.ctx;
  CHECK(static_cast<std::int64_t>(ctx.saved.peak_bytes() + ctx.scratch.peak_bytes()) <
        whole + whole / 10);
  CHECK(measured.read(measured.values.flat()) == plain.read(plain.values.flat()));
}

TEST_CASE("optimizer_state_size matches the actual state") {
  TinyModel tiny(tiny_config({true, false}, {true}));
  for (const OptimizerKind kind : {OptimizerKind::adamw, OptimizerKind::adafactor}) {
    const auto optimizer = make_optimizer(*tiny.ctx, kind, {}, one_share(tiny));
    std::int64_t said = 0, found = 0;
    tiny.model.each_param([&](const Param& p) { said += optimizer_state_size(kind, p); });
    for (const StateTensor& tensor : optimizer->state()) found += tensor.values.size();
    CHECK(found == said);
  }
  const Param& shared = tiny.model.shared;
  CHECK(optimizer_state_size(OptimizerKind::adamw, shared) == 2 * 7 * 6);
  CHECK(optimizer_state_size(OptimizerKind::adafactor, shared) == 7 + 6);
}

TEST_CASE("a trainer that takes over midway produces the same bits") {
  const bool bf16 = GENERATE(false, true);
  const OptimizerKind kind = GENERATE(OptimizerKind::adamw, OptimizerKind::adafactor);
  CAPTURE(bf16, static_cast<int>(kind));
  const ModelConfig config = tiny_config({true, false}, {true});
  TrainerOptions options = constant_rate(0.01);
  options.optimizer = kind;
  const ContextOptions computes{2, false, bf16 ? DType::bf16 : DType::f32};
  TinyModel whole(config, computes), broken(config, computes);
  Trainer a(*whole.ctx, whole.model, whole.values, options);
  Trainer b(*broken.ctx, broken.model, broken.values, options);
  const auto batch = [&](std::uint64_t step) { return random_batch(config, {6, 5}, {4, 7}, step); };
  for (std::uint64_t step = 1; step <= 3; ++step) a.step({batch(step)});
  const auto take_over = [&](View from, View to) {
    const std::vector<float> host = whole.read(from);
    upload(*broken.ctx, host.data(), to.size(), to);
  };
  take_over(whole.values.flat(), broken.values.flat());
  const std::vector<StateTensor> from = a.optimizer().state(), to = b.optimizer().state();
  for (std::size_t i = 0; i < from.size(); ++i) take_over(from[i].values, to[i].values);
  b.counters() = a.counters();
  b.prepare();
  b.measure_arenas(batch(9));
  for (std::uint64_t step = 4; step <= 6; ++step) {
    a.step({batch(step)});
    b.step({batch(step)});
  }
  CHECK(whole.read(whole.values.flat()) == broken.read(broken.values.flat()));
}

TEST_CASE("accumulated batches equal one large batch, whatever their sizes") {
  const ModelConfig config = dense_config();
  const HostBatch large = random_batch(config, {3, 5, 2, 6}, {4, 2, 7, 1}, 1);
  const auto part = [&](std::size_t begin, std::size_t end) {
    HostBatch batch;
    for (std::size_t i = begin; i < end; ++i) {
      batch.source.push_back(large.source[i]);
      batch.target.push_back(large.target[i]);
      batch.sentence.push_back(large.sentence[i]);
    }
    return batch;
  };
  const auto train = [&](const std::vector<HostBatch>& batches, StepResult& result) {
    TinyModel tiny(config);
    Trainer trainer(*tiny.ctx, tiny.model, tiny.values, constant_rate(0.1));
    for (int i = 0; i < 3; ++i) result = trainer.step(batches);
    return tiny.read(tiny.values.flat());
  };
  StepResult one, three;
  const std::vector<float> expected = train({large}, one);
  const std::vector<float> actual = train({part(0, 2), part(2, 3), part(3, 4)}, three);
  // Sums are in a different order; AdamW's first steps have the size of the rate for any gradient.
  CHECK(close(actual, expected, 1e-3, 0) == "");
  CHECK(three.loss.target_tokens == one.loss.target_tokens);
  CHECK(three.source_tokens == one.source_tokens);
  CHECK(three.sentences == 4);
  CHECK(std::abs(three.grad_norm - one.grad_norm) < 1e-3 * one.grad_norm);
}

TEST_CASE("the moving average follows, quickly at first") {
  TinyModel tiny(dense_config());
  TrainerOptions options = constant_rate(0.1);
  options.exponential_smoothing = 0.5f;
  Trainer trainer(*tiny.ctx, tiny.model, tiny.values, options);
  const HostBatch batch = random_batch(tiny.model.config(), {3}, {4}, 1);
  std::vector<double> average;
  for (const float x : tiny.read(tiny.values.flat())) average.push_back(x);
  for (int step = 1; step <= 12; ++step) {
    trainer.step({batch});
    const double share = std::max(0.5, 1 - (step + 1.0) / (step + 10.0));
    const std::vector<float> now = tiny.read(tiny.values.flat());
    for (std::size_t i = 0; i < now.size(); ++i) average[i] += share * (now[i] - average[i]);
  }
  CHECK(close(tiny.read(trainer.averaged().flat()), average, 1e-5, 0) == "");
  CHECK(&trainer.averaged() != &trainer.params());
}

}  // namespace
}  // namespace switchyard
