// SPDX-License-Identifier: Apache-2.0
// What a training step may ask of a backend besides arithmetic. On a GPU each fill is a kernel, and
// each download waits for all that was issued before it.
#include "src/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_model.h"

namespace switchyard {
namespace {

// Per batch: the batch itself, and the relative position buckets of both stacks.
constexpr std::int64_t kUploads = 3;
// Per batch: the loss sums, the gradient of the encoder's output, and in each stack the gradients
// of its residual stream and its position bias.
constexpr std::int64_t kFills = 6;

TEST_CASE("a training step's fills, uploads and downloads do not grow with the layers") {
  const std::size_t layers = GENERATE(1, 3);
  const bool recompute = GENERATE(false, true);
  const OptimizerKind kind = GENERATE(OptimizerKind::adamw, OptimizerKind::adafactor);
  CAPTURE(layers, recompute, static_cast<int>(kind));
  const ModelConfig config =
      tiny_config(std::vector<bool>(layers, true), std::vector<bool>(layers, true));
  TinyModel tiny(config);
  TrainerOptions options;
  options.optimizer = kind;
  options.activation_checkpointing = recompute;
  options.exponential_smoothing = 0.1f;
  Trainer trainer(*tiny.ctx, tiny.model, tiny.values, options);
  const HostBatch batch = random_batch(config, {3, 5}, {4, 2}, 1);
  trainer.step({batch});
  for (const std::int64_t batches : {1, 2}) {
    CAPTURE(batches);
    OperationCounts& counts = tiny.ctx->counts;
    counts = {};
    trainer.step(std::vector<HostBatch>(static_cast<std::size_t>(batches), batch));
    CHECK(counts.uploads <= kUploads * batches);
    CHECK(counts.fills <= kFills * batches);
    CHECK(counts.downloads == 1);
    CHECK(counts.compiled == 0);
  }
}

}  // namespace
}  // namespace switchyard
