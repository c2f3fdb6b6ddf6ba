// SPDX-License-Identifier: Apache-2.0
// Progress lines and records, by value.
#include "src/app/training/progress.h"

#include <nlohmann/json.hpp>

#include "tests/support/catch.h"

using namespace switchyard;

namespace {

// One sparse layer with 12 tokens and one with 20.
StepResult first_step() {
  StepResult step;
  step.loss.loss_sum = 30;
  step.loss.target_tokens = 10;
  step.loss.router_aux_loss = {1.5, 2};
  step.loss.router_z_loss = {4, 8};
  step.loss.expert_count = {{9, 3}, {5, 5, 10, 0}};
  step.loss.dropped = {2, 4};
  step.source_tokens = 22;
  step.sentences = 3;
  step.rate = 0.25;
  step.grad_norm = 7;
  return step;
}

StepResult second_step() {
  StepResult step = first_step();
  step.loss.loss_sum = 50;
  step.loss.target_tokens = 30;
  step.loss.router_aux_loss = {0.5, 3};
  step.loss.router_z_loss = {2, 0};
  step.loss.expert_count = {{3, 9}, {0, 5, 10, 5}};
  step.loss.dropped = {0, 2};
  step.source_tokens = 18;
  step.sentences = 4;
  step.rate = 0.5;
  step.grad_norm = 3;
  return step;
}

ProgressWindow two_steps() {
  ProgressWindow window;
  window.add(first_step(), 1.5);
  window.add(second_step(), 0.5);
  return window;
}

ProgressPoint some_point() {
  ProgressPoint point;
  point.epoch = 2;
  point.update = 300;
  point.sentences = 4096;
  point.target_tokens = 77;
  point.skipped = 1;
  point.eta_seconds = 3661;
  return point;
}

}  // namespace

TEST_CASE("progress: a line covers all updates since the previous one") {
  const ProgressWindow window = two_steps();
  CHECK(window.cost() == 2);           // (30 + 50) / (10 + 30)
  CHECK(window.drop_rate() == 0.125);  // 8 of 64
  // Layer by layer: 12 of 24 for 2 experts; 20 of 40 for 4.
  CHECK(window.imbalance() == 1.5);
  CHECK(progress_line(some_point(), window) ==
        "Ep. 2 : Up. 300 : Sen. 4,096 : Cost 2.0000 : Time 2.0s : 40 words/s : gNorm 3.0000 : "
        "L.r. 0.5 : drop 12.5% : busiest expert 1.50x : skipped 1 : ETA 01:01:01");
  CHECK(status_line(some_point(), window, 0.5) ==
        "[############------------]  50%  Ep. 2  Up. 300  Cost 2.0000  40 words/s  ETA 01:01:01");
}

TEST_CASE("progress: a record has means over updates and shares by layer and expert") {
  const nlohmann::json record = train_record(some_point(), two_steps());
  CHECK(record["epoch"] == 2);
  CHECK(record["update"] == 300);
  CHECK(record["words"] == 77);
  CHECK(record["loss"] == 2);
  CHECK(record["lr"] == 0.5);
  CHECK(record["gnorm"] == 3);
  CHECK(record["skipped"] == 1);
  CHECK(record["words_per_s"] == 40);
  CHECK(record["aux_loss"] == nlohmann::json({1.0, 2.5}));
  CHECK(record["z_loss"] == nlohmann::json({3.0, 4.0}));
  CHECK(record["expert_load"] == nlohmann::json({{0.5, 0.5}, {0.125, 0.25, 0.5, 0.125}}));
  CHECK(record["drop"] == nlohmann::json({2.0 / 24, 6.0 / 40}));
}

TEST_CASE("progress: dense models report no experts") {
  StepResult step = first_step();
  step.loss.router_aux_loss = step.loss.router_z_loss = {};
  step.loss.expert_count = {};
  step.loss.dropped = {};
  ProgressWindow window;
  window.add(step, 1);
  CHECK(window.drop_rate() == 0);
  CHECK(window.imbalance() == 0);
  CHECK(progress_line({}, window).find("expert") == std::string::npos);
  CHECK(!train_record({}, window).contains("expert_load"));
}
