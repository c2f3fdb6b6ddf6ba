// SPDX-License-Identifier: Apache-2.0
// Workers that share batches make the same update as one worker, except for the order of sums.
#include "src/train/workers.h"

#include <cmath>
#include <vector>

#include "src/core/error.h"
#include "src/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/close.h"
#include "tests/support/tiny_model.h"

namespace switchyard {
namespace {

TEST_CASE("a batch is split completely and evenly") {
  for (const std::size_t sentences : {1, 2, 3, 4, 11}) {
    for (const int workers : {1, 2, 3, 8}) {
      CAPTURE(sentences, workers);
      HostBatch batch;
      for (std::size_t i = 0; i < sentences; ++i) {
        batch.source.emplace_back(i + 1, 3);
        batch.target.emplace_back(i + 2, 4);
        batch.sentence.push_back(static_cast<std::uint32_t>(i));
      }
      const auto parts = split_batch(HostBatch(batch), workers);
      CHECK(parts.size() == std::min(sentences, static_cast<std::size_t>(workers)));
      std::vector<int> seen(sentences, 0);
      for (const HostBatch& part : parts) {
        CHECK(part.source.size() >= sentences / parts.size());
        CHECK(part.source.size() <= sentences / parts.size() + 1);
        REQUIRE(part.target.size() == part.source.size());
        REQUIRE(part.sentence.size() == part.source.size());
        for (std::size_t i = 0; i < part.source.size(); ++i) {
          const std::uint32_t sentence = part.sentence[i];
          ++seen[sentence];
          CHECK(part.source[i] == batch.source[sentence]);
          CHECK(part.target[i] == batch.target[sentence]);
        }
      }
      CHECK(seen == std::vector<int>(sentences, 1));
    }
  }
  // Sorted by length: each part gets its share of the long ones.
  HostBatch sorted;
  for (std::size_t i = 0; i < 8; ++i) {
    sorted.source.emplace_back(i + 1, 3);
    sorted.target.emplace_back(1, 4);
    sorted.sentence.push_back(0);
  }
  const auto halves = split_batch(std::move(sorted), 2);
  CHECK(halves[0].source_tokens() == halves[1].source_tokens());
}

struct Trained {
  std::vector<float> values, average;
  StepResult last;
};

TrainerOptions options_for(OptimizerKind kind, int workers) {
  TrainerOptions options;
  options.optimizer = kind;
  options.schedule.peak = 0.01;
  options.schedule.decay = Schedule::kConstant;
  options.exponential_smoothing = 0.1f;
  options.workers = workers;
  return options;
}

Trained train(const ModelConfig& config, OptimizerKind kind, int workers, DType type) {
  TinyModel tiny(config, {4, false, type});
  Trainer trainer(*tiny.ctx, tiny.model, tiny.values, options_for(kind, workers));
  Trained result;
  for (std::uint64_t step = 1; step <= 4; ++step)
    result.last = trainer.step({random_batch(config, {6, 3, 5, 2, 9}, {4, 7, 1, 6, 5}, step),
                                random_batch(config, {2}, {3}, step + 10)});
  result.values = tiny.read(tiny.values.flat());
  result.average = tiny.read(trainer.averaged().flat());
  return result;
}

TEST_CASE("several workers make the update of one, reproducibly bit for bit") {
  const int workers = GENERATE(2, 3, 4);
  const OptimizerKind kind = GENERATE(OptimizerKind::adamw, OptimizerKind::adafactor);
  CAPTURE(workers, static_cast<int>(kind));
  ModelConfig config = tiny_config({true, false}, {true});
  config.dropout_rate = 0.2f;  // keyed by sentence: parts drop the same elements as the whole
  config.router_aux_loss_coef = config.router_z_loss_coef = 0;
  const Trained one = train(config, kind, 1, DType::f32);
  const Trained shared = train(config, kind, workers, DType::f32);
  CHECK(std::abs(shared.last.loss.loss_sum - one.last.loss.loss_sum) <
        1e-4 * one.last.loss.loss_sum);
  CHECK(std::abs(shared.last.grad_norm - one.last.grad_norm) < 1e-3 * one.last.grad_norm);
  CHECK(shared.last.sentences == 6);
  CHECK(shared.last.source_tokens == one.last.source_tokens);
  CHECK(shared.last.loss.target_tokens == one.last.loss.target_tokens);
  CHECK(shared.last.loss.expert_count == one.last.loss.expert_count);
  // Sums are in a different order; AdamW's first steps have the size of the rate for any gradient.
  CHECK(close(shared.values, one.values, 1e-3, 0) == "");
  CHECK(close(shared.average, one.average, 1e-3, 0) == "");
  for (const DType type : {DType::f32, DType::bf16}) {
    const Trained first = train(config, kind, workers, type);
    const Trained second = train(config, kind, workers, type);
    CHECK(first.values == second.values);
    CHECK(first.average == second.average);
    CHECK(first.last.loss.loss_sum == second.last.loss.loss_sum);
  }
}

TEST_CASE("router losses are averaged over the workers' parts") {
  ModelConfig config = tiny_config({true, false}, {true});
  config.dropout_rate = config.router_jitter_noise = 0;
  const HostBatch part = random_batch(config, {6, 3}, {4, 7}, 1);
  HostBatch twice;  // dealt out as 0, 1, 1, 0: both workers get the same two sentences
  twice.source = {part.source[0], part.source[0], part.source[1], part.source[1]};
  twice.target = {part.target[0], part.target[0], part.target[1], part.target[1]};
  twice.sentence = {40, 40, 41, 41};
  const auto step = [&](const HostBatch& batch, int workers) {
    TinyModel tiny(config, {2});
    Trainer trainer(*tiny.ctx, tiny.model, tiny.values, options_for(OptimizerKind::adamw, workers));
    return trainer.step({batch});
  };
  const StepResult one = step(part, 1), two = step(twice, 2);
  CHECK(two.loss.router_aux_loss == one.loss.router_aux_loss);
  CHECK(two.loss.router_z_loss == one.loss.router_z_loss);
  CHECK(std::abs(two.grad_norm - one.grad_norm) < 1e-5 * one.grad_norm);
}

TEST_CASE("a refused part discards the gradients of the others") {
  const ModelConfig config = tiny_config();
  const auto train = [&](bool disturbed) {
    TinyModel tiny(config, {2});
    Trainer trainer(*tiny.ctx, tiny.model, tiny.values, options_for(OptimizerKind::adamw, 2));
    const HostBatch good = random_batch(config, {3, 5, 4}, {4, 2, 6}, 1);
    HostBatch bad = good;
    bad.target[1].front() = static_cast<std::int32_t>(config.vocab_size);
    if (disturbed) CHECK_THROWS_AS(trainer.step({good, bad}), Error);
    trainer.step({good});
    return tiny.read(tiny.values.flat());
  };
  CHECK(train(true) == train(false));
}

TEST_CASE("every worker needs its own thread") {
  const TinyModel tiny(tiny_config(), {2});
  CHECK_THROWS_AS(Workers(*tiny.ctx, tiny.model.layout(), 3), Error);
}

TEST_CASE("shares cover all parameters once") {
  const TinyModel tiny(tiny_config({true, false}, {true}), {8});
  const ParamLayout layout = tiny.model.layout();
  for (int count = 1; count <= 8; ++count) {
    CAPTURE(count);
    const Workers workers(*tiny.ctx, layout, count);
    std::int64_t param = 0, offset = 0;
    for (int i = 0; i < count; ++i) {
      const ParamShare& share = workers.share_of(i);
      CHECK(share.params.first == param);
      CHECK(share.offset == offset);
      param = share.params.last;
      offset += share.size;
      if (param < static_cast<std::int64_t>(layout.offset.size()))
        CHECK(layout.offset[static_cast<std::size_t>(param)] == offset);
    }
    CHECK(param == static_cast<std::int64_t>(layout.offset.size()));
    CHECK(offset == layout.total);
  }
}

}  // namespace
}  // namespace switchyard
