// SPDX-License-Identifier: Apache-2.0
// Steps with non-finite gradients change nothing; ten in a row end the run.
#include <cmath>
#include <limits>
#include <string>

#include "src/core/error.h"
#include "src/train/adamw.h"
#include "src/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_model.h"
#include "tests/train/one_share.h"

namespace switchyard {
namespace {

// The encoder has its own embedding table, so a bad row affects only batches with that token.
ModelConfig config(std::vector<bool> encoder_sparse = {false, false}) {
  ModelConfig c = tiny_config(std::move(encoder_sparse));
  c.tie_word_embeddings = false;
  c.dropout_rate = 0;
  return c;
}

TrainerOptions averaging() {
  TrainerOptions options;
  options.schedule.peak = 0.01;
  options.schedule.decay = Schedule::kConstant;
  options.exponential_smoothing = 0.1f;
  return options;
}

// Parameters, their average and the optimizer state.
std::vector<View> buffers(TinyModel& tiny, Trainer& trainer) {
  std::vector<View> views = {tiny.values.flat(), trainer.averaged().flat()};
  for (const StateTensor& tensor : trainer.optimizer().state()) views.push_back(tensor.values);
  return views;
}

std::string bytes_of(TinyModel& tiny, Trainer& trainer) {
  std::string bytes;
  for (const View view : buffers(tiny, trainer)) {
    const std::vector<float> host = tiny.read(view);
    bytes.append(reinterpret_cast<const char*>(host.data()), host.size() * sizeof(float));
  }
  return bytes;
}

TEST_CASE("a gradient that is not finite changes nothing; ten in a row end the run") {
  TinyModel tiny(config());
  // Token 5 of the embedding, which the head does not share.
  const View row = tiny.values[tiny.model.shared].slice_rows(5, 1);
  const std::vector<float> bad(static_cast<std::size_t>(row.cols),
                               std::numeric_limits<float>::quiet_NaN());
  upload(*tiny.ctx, bad.data(), row.cols, row);
  Trainer trainer(*tiny.ctx, tiny.model, tiny.values, averaging());
  const HostBatch good{{{2, 3, 1}}, {{3, 2, 1}}, {0}};
  const HostBatch spoiled{{{2, 5, 1}}, {{3, 2, 1}}, {1}};

  CHECK(!trainer.step({good}).skipped);
  const std::string before = bytes_of(tiny, trainer);
  for (int i = 0; i < 9; ++i) CHECK(trainer.step({spoiled}).skipped);
  CHECK(bytes_of(tiny, trainer) == before);
  CHECK(trainer.counters().update == 1);
  CHECK(trainer.counters().skipped == 9);

  CHECK(!trainer.step({good}).skipped);  // restarts the count
  CHECK(trainer.counters().update == 2);
  for (int i = 0; i < 9; ++i) trainer.step({spoiled});
  try {
    trainer.step({spoiled});
    FAIL("ten skipped steps in a row were accepted");
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kDiverged);
    CHECK(std::string(e.what()).find("diverged after update 2: 10 steps") != std::string::npos);
  }
}

TEST_CASE("with any parameter huge or not finite, a step is skipped or its results are finite") {
  const float inf = std::numeric_limits<float>::infinity();
  TrainerOptions options = averaging();
  options.optimizer = GENERATE(OptimizerKind::adamw, OptimizerKind::adafactor);
  for (const bool sparse : {false, true}) {
    const ModelConfig c = config({false, sparse});
    const Model layout(c);
    layout.each_param([&](const Param& param) {
      for (const float bad : {1e38f, -1e38f, inf, std::numeric_limits<float>::quiet_NaN()}) {
        CAPTURE(param.name, bad, sparse);
        TinyModel tiny(c);
        fill(*tiny.ctx, bad, tiny.values[param]);
        Trainer trainer(*tiny.ctx, tiny.model, tiny.values, options);
        const std::string before = bytes_of(tiny, trainer);
        const StepResult result = trainer.step({random_batch(c, {6, 5, 7, 4}, {4, 7, 5, 6}, 1)});
        // An expert that no token chose is harmless.
        if (!sparse && !std::isfinite(bad)) CHECK(result.skipped);
        if (result.skipped) {
          CHECK(bytes_of(tiny, trainer) == before);
          continue;
        }
        CHECK(std::isfinite(result.loss.loss_sum));
        for (const StateTensor& tensor : trainer.optimizer().state())
          for (const float x : tiny.read(tensor.values)) REQUIRE(std::isfinite(x));
      }
    });
  }
}

TEST_CASE("a gradient of 0 is not learned from while there is a loss") {
  TinyModel tiny(config());
  // Nothing reaches the head, so no gradient comes back from it.
  tiny.model.each_param([&](const Param& param) {
    if (param.name == "lm_head.weight" || param.name == "decoder.final_layer_norm.weight")
      fill(*tiny.ctx, 0, tiny.values[param]);
  });
  Trainer trainer(*tiny.ctx, tiny.model, tiny.values, averaging());
  const std::string before = bytes_of(tiny, trainer);
  const StepResult result = trainer.step({random_batch(config(), {6, 5}, {4, 7}, 1)});
  CHECK(result.grad_norm == 0);
  CHECK(std::isfinite(result.loss.loss_sum));
  CHECK(result.skipped);
  CHECK(bytes_of(tiny, trainer) == before);
}

TEST_CASE("extreme but valid input gives finite numbers and an update") {
  ModelConfig c = config({false, true});
  c.router_z_loss_coef = 0.001f;
  c.router_aux_loss_coef = 0.01f;
  TinyModel tiny(c);
  Trainer trainer(*tiny.ctx, tiny.model, tiny.values, averaging());
  StepResult result;
  SECTION("sentences of one token") {
    result = trainer.step({random_batch(c, {1, 1, 3}, {1, 2, 1}, 1)});
  }
  SECTION("sentences far longer than the relative position buckets") {
    result = trainer.step({random_batch(c, {150, 2}, {3, 170}, 1)});
  }
  SECTION("router logits around 10^4") {
    tiny.model.each_param([&](const Param& param) {
      if (param.name.find("router") == std::string::npos) return;
      std::vector<float> host = tiny.read(tiny.values[param]);
      for (float& x : host) x *= 1e4f;
      upload(*tiny.ctx, host.data(), param.size(), tiny.values[param]);
    });
    result = trainer.step({random_batch(c, {9, 7}, {5, 6}, 1)});
  }
  SECTION("all tokens routed to one expert: none is dropped") {
    tiny.model.each_param([&](const Param& param) {
      if (param.name.find("router") != std::string::npos) fill(*tiny.ctx, 0, tiny.values[param]);
    });
    result = trainer.step({random_batch(c, {9, 7}, {5, 6}, 1)});
    CHECK(result.loss.expert_count[0] == std::vector<std::int32_t>{16, 0, 0});
    CHECK(result.loss.dropped[0] == 0);
  }
  CHECK(!result.skipped);
  CHECK(std::isfinite(result.loss.loss_sum));
  CHECK(trainer.counters().update == 1);
  for (const View view : buffers(tiny, trainer))
    for (const float x : tiny.read(view)) REQUIRE(std::isfinite(x));
}

TEST_CASE("AdamW without gradients, and after more updates than 32 bits count") {
  TinyModel tiny(config());
  AdamWOptimizer adamw(*tiny.ctx, {}, one_share(tiny));
  const std::vector<float> before = tiny.read(tiny.values.flat());
  for (const std::int64_t update : {std::int64_t{1}, std::int64_t{3'000'000'000}})
    adamw.step(*tiny.ctx, 0, update, 0.01, {});
  CHECK(tiny.read(tiny.values.flat()) == before);

  fill(*tiny.ctx, 1, tiny.grads.flat());
  adamw.step(*tiny.ctx, 0, std::int64_t{3'000'000'001}, 0.01, {});
  for (const float x : tiny.read(tiny.values.flat())) REQUIRE(std::isfinite(x));
  Schedule schedule;
  schedule.decay_start = 4000;
  CHECK(std::abs(learning_rate(schedule, 4'000'000'000) / schedule.peak - 0.001) < 1e-9);
}

}  // namespace
}  // namespace switchyard
