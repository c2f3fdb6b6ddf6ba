// SPDX-License-Identifier: Apache-2.0
// Trainer: one update after the other. It knows batches of ids and flat buffers; texts, files and
// validation are src/app/training/session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "src/nn/loss.h"
#include "src/train/optimizer.h"
#include "src/train/schedule.h"
#include "src/train/step_statistics.h"
#include "src/train/workers.h"

namespace switchyard {

struct TrainerOptions {
  OptimizerKind optimizer = OptimizerKind::adamw;
  AdamWOptions adamw;
  Schedule schedule;
  float clip_norm = 1;  // 0: no clipping
  float label_smoothing = 0.1f;
  // > 0: a running average of the parameters follows them with this share of each update
  // (Marian's --exponential-smoothing), faster in the first updates.
  float exponential_smoothing = 0;
  CapacityOptions capacity;
  bool activation_checkpointing = false;  // Pass::recompute: less memory, the same bits
  std::uint64_t seed = 1;
  // Workers that share each batch (src/train/workers.h). Router losses and capacities are computed
  // per worker's part of the batch, as the paper does per core.
  int workers = 1;
};

// What a resumed run goes on from, beside the buffers.
struct TrainerCounters {
  std::int64_t update = 0;            // updates made
  std::int64_t skipped = 0;           // steps whose gradient was 0 or not finite
  std::int64_t skipped_in_a_row = 0;  // of them, since the last good one
};

struct StepResult {
  // Summed over the step's batches; router losses are their mean. Its seconds are of all phases.
  LossResult loss;
  std::int64_t source_tokens = 0;
  std::int64_t sentences = 0;
  double rate = 0;
  float grad_norm = 0;  // before clipping
  bool skipped = false;
};

// How forward and backward run in the step after `update` updates; and by which scales a batch's
// losses count in a step that has so many target tokens in so many batches.
Pass training_pass(const ModelConfig& config, const TrainerOptions& options, std::int64_t update);
LossOptions training_loss(const ModelConfig& config, const TrainerOptions& options,
                          std::int64_t target_tokens, std::int64_t batches);

class Trainer {
 public:
  // Binds `model` to `params`; both must outlive this. Dropout, jitter and the router losses'
  // coefficients are its config's. Error(kUsage) if `options` has more workers than ctx has
  // threads.
  Trainer(Context& ctx, Model& model, const ParamBuffer& params, const TrainerOptions& options);

  // One update from the gradient of the mean loss over all target tokens of `batches` (more than
  // one: gradient accumulation). Where the gradient or the loss is not finite, or the gradient is 0
  // though there is a loss, nothing is changed and the result says `skipped`; the tenth such step
  // in a row is Error(kDiverged). Error(kData) where a batch has an id beyond the vocabulary:
  // nothing is changed then.
  StepResult step(std::vector<HostBatch> batches);

  // Bytes that the arenas of all workers need for forward and backward of `batch`, found by running
  // both in a Context of its own. Changes nothing.
  std::int64_t measure_arenas(HostBatch batch);

  // What is validated and saved as the model: the running average where there is one.
  const ParamBuffer& averaged() const { return average_ ? *average_ : params_; }
  bool has_average() const { return average_.has_value(); }
  const ParamBuffer& params() const { return params_; }
  const Optimizer& optimizer() const { return *optimizer_; }
  TrainerCounters& counters() { return counters_; }

  // To be called when the parameters got values other than by step(): weights are packed anew.
  void prepare();
  // The average starts as a copy of the parameters.
  void reset_average();

 private:
  // What the workers do to a step's batches; all of them together.
  struct Work {
    std::vector<std::vector<HostBatch>> parts;  // by worker
    std::int64_t count = 0;                     // of parts
    std::int64_t target_tokens = 0, source_tokens = 0, sentences = 0;
  };
  Work deal_out(std::vector<HostBatch>&& batches) const;
  PhaseSeconds forward_backward(const Work& work);
  void update(const Work& work, double rate);
  StepResult read_result(const Work& work);
  void count_skipped(const StepResult& result);

  Context& ctx_;
  Model& model_;
  const ParamBuffer& params_;
  TrainerOptions options_;
  Workers workers_;  // their gradients are 0 except within a step
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<ParamBuffer> average_;
  StepStatistics statistics_;
  TrainerCounters counters_;
};

}  // namespace switchyard
