// SPDX-License-Identifier: Apache-2.0
// The estimate of a run's memory and how it is reported.
#include "src/app/training/memory.h"

#include "src/core/error.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_model.h"

using namespace switchyard;

TEST_CASE("memory: every buffer the size of the parameters is counted") {
  const Model model(tiny_config({true, false}, {true}));
  std::int64_t floats = 0, means = 0;
  model.each_param([&](const Param& p) {
    floats += p.rows * p.cols;
    means += p.vector ? p.cols : p.rows + p.cols;
  });
  TrainingOptions options;
  options.trainer.workers = 1;
  options.trainer.exponential_smoothing = 0;
  options.compute_type = DType::f32;
  CHECK(parameter_memory(model, options).parameters == 2 * 4 * floats);  // values and gradients
  CHECK(parameter_memory(model, options).optimizer == 2 * 4 * floats);
  options.trainer.optimizer = OptimizerKind::adafactor;
  CHECK(parameter_memory(model, options).optimizer == 4 * means);
  options.trainer.workers = 3;  // a gradient each
  CHECK(parameter_memory(model, options).parameters == 4 * 4 * floats);
  options.trainer.exponential_smoothing = 0.1f;
  CHECK(parameter_memory(model, options).parameters == 5 * 4 * floats);
  options.compute_type = DType::bf16;
  CHECK(parameter_memory(model, options).parameters == 6 * 4 * floats);
}

TEST_CASE("memory: the need is the sum, and may be all that is available") {
  TrainingMemory memory;
  memory.parameters = 36 << 20;
  memory.optimizer = 35 << 20;
  memory.batch = 317 << 20;
  memory.available = 388 << 20;
  CHECK(memory.needed() == 388 << 20);
  CHECK(
      memory_text(memory) ==
      "388 MiB needed (36 MiB parameters, 35 MiB optimizer, 317 MiB per batch), 388 MiB available");
  CHECK_NOTHROW(check_memory(memory));
  --memory.available;
  CHECK_THROWS_AS(check_memory(memory), Error);
}
