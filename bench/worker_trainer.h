// SPDX-License-Identifier: Apache-2.0
// Training by workers: each has some of a batch's sentences, a Context and gradients of its own,
// and all share the weights. Trainer has all threads in each operation instead, and one gradient;
// train_step --workers tells which is faster.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "src/train/trainer.h"

namespace switchyard::bench {

class WorkerTrainer {
 public:
  // Shares out the threads of `ctx` among `workers`, which must divide them: Error(kUsage). Norm
  // and update are by all of them, and there is no running average. `model` is bound and, for
  // bfloat16, prepared; ctx and model must outlive this.
  WorkerTrainer(Context& ctx, const Model& model, const TrainerOptions& options, int workers);

  // One update. Error(kUsage) where the batch has fewer sentences than there are workers.
  void step(const HostBatch& batch);

 private:
  struct Worker {
    std::unique_ptr<Context> ctx;
    ParamBuffer grads;
    HostBatch part;
  };

  Context& ctx_;
  const Model& model_;
  TrainerOptions options_;
  std::vector<Worker> workers_;
  std::unique_ptr<Optimizer> optimizer_;  // by worker 0's gradients
  std::int64_t update_ = 0;
};

}  // namespace switchyard::bench
