// SPDX-License-Identifier: Apache-2.0
// Trainer makes one update at a time. It knows only batches of ids and flat buffers; text, files
// and validation belong to src/app/training/session.
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
  // > 0: keep an exponential moving average of the parameters with this factor (Marian's
  // exponential smoothing); it follows faster during the first updates.
  float exponential_smoothing = 0;
  std::optional<float> expert_dropout;  // inside experts; default: the config's dropout_rate
  // By Param::index, empty if none: parameters that stay as they are. Their gradients are 0, so the
  // gradient norm does not count them.
  std::vector<bool> frozen;
  CapacityOptions capacity;
  bool activation_checkpointing = false;  // Pass::recompute: less memory, same bits
  std::uint64_t seed = 1;
  // Number of workers that share each batch (src/train/workers.h). Router losses and capacities are
  // computed per worker, as the paper does per core.
  int workers = 1;
};

// The state a run resumes from, besides the buffers.
struct TrainerCounters {
  std::int64_t update = 0;            // updates made so far
  std::int64_t skipped = 0;           // steps whose gradient was 0 or not finite
  std::int64_t skipped_in_a_row = 0;  // since the last update
};

struct StepResult {
  // Summed over the step's batches, except router losses, which are averaged. Its seconds cover all
  // phases.
  LossResult loss;
  std::int64_t source_tokens = 0;
  std::int64_t sentences = 0;
  double rate = 0;
  float grad_norm = 0;  // before clipping
  bool skipped = false;
};

// How forward and backward run in the step after `update` updates, and how the losses of a batch
// are scaled in a step with `target_tokens` target tokens in `batches` batches.
Pass training_pass(const ModelConfig& config, const TrainerOptions& options, std::int64_t update);
LossOptions training_loss(const ModelConfig& config, const TrainerOptions& options,
                          std::int64_t target_tokens, std::int64_t batches);

class Trainer {
 public:
  // Binds `model` to `params`; both must outlive this. Dropout, jitter and router loss coefficients
  // come from the model's config. Error(kUsage) if `options` has more workers than ctx has threads.
  Trainer(Context& ctx, Model& model, const ParamBuffer& params, const TrainerOptions& options);

  // Makes one update with the gradient of the mean loss over all target tokens of `batches`
  // (several batches: gradient accumulation). If the gradient or the loss is not finite, or the
  // gradient is 0 despite a loss, nothing changes and the result is marked as skipped; the tenth
  // such step in a row throws Error(kDiverged). Error(kData) if a batch has an id outside the
  // vocabulary; nothing changes then either.
  StepResult step(std::vector<HostBatch> batches);

  // Measures how many bytes the workers' arenas need for forward and backward of `batch` by running
  // them in separate contexts. Leaves the trainer unchanged.
  std::int64_t measure_arenas(HostBatch batch);

  // The parameters to validate and save as the model: the moving average if there is one.
  const ParamBuffer& averaged() const { return average_ ? *average_ : params_; }
  bool has_average() const { return average_.has_value(); }
  const ParamBuffer& params() const { return params_; }
  const Optimizer& optimizer() const { return *optimizer_; }
  TrainerCounters& counters() { return counters_; }

  // Repacks the weights. Call this after changing parameters by any means other than step().
  void prepare();
  // Restarts the average as a copy of the parameters.
  void reset_average();

 private:
  // A step's batches, split among the workers.
  struct Work {
    std::vector<std::vector<HostBatch>> parts;  // by worker
    std::int64_t count = 0;                     // of parts
    std::int64_t target_tokens = 0, source_tokens = 0, sentences = 0;
  };
  Work deal_out(std::vector<HostBatch>&& batches) const;
  PhaseSeconds forward_backward(const Work& work);
  void clear_frozen(Context& ctx, const ParamBuffer& grads) const;
  void update(const Work& work, double rate);
  StepResult read_result(const Work& work);
  void count_skipped(const StepResult& result);

  Context& ctx_;
  Model& model_;
  const ParamBuffer& params_;
  TrainerOptions options_;
  Workers workers_;  // gradients are 0 except during a step
  std::unique_ptr<Optimizer> optimizer_;
  std::optional<ParamBuffer> average_;
  StepStatistics statistics_;
  TrainerCounters counters_;
};

}  // namespace switchyard
