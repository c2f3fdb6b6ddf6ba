// SPDX-License-Identifier: Apache-2.0
#include "bench/worker_trainer.h"

#include <future>

#include "src/core/error.h"
#include "src/train/clip.h"

namespace switchyard::bench {

WorkerTrainer::WorkerTrainer(Context& ctx, const Model& model, const TrainerOptions& options,
                             int workers)
    : ctx_(ctx), model_(model), options_(options) {
  check(ctx.threads % workers == 0, ErrorKind::kUsage, "--workers ", workers,
        ", expected a divisor of ", ctx.threads, " threads");
  for (int w = 0; w < workers; ++w)
    workers_.push_back({make_context({ctx.threads / workers, ctx.row_invariant, ctx.compute_type}),
                        ParamBuffer(ctx, model.layout()),
                        {}});
  optimizer_ = make_optimizer(ctx, options.optimizer, options.adamw, model, workers_[0].grads);
}

void WorkerTrainer::step(const HostBatch& batch) {
  check(batch.source.size() >= workers_.size(), ErrorKind::kUsage, "--workers ", workers_.size(),
        ": a batch has ", batch.source.size(), " sentences, expected one for each worker");
  // A batch is sorted by length: taken in turn, the parts are alike.
  for (Worker& worker : workers_) worker.part = {};
  for (std::size_t i = 0; i < batch.source.size(); ++i) {
    HostBatch& part = workers_[i % workers_.size()].part;
    part.source.push_back(batch.source[i]);
    part.target.push_back(batch.target[i]);
    part.sentence.push_back(batch.sentence[i]);
  }
  const Pass pass = training_pass(model_.config(), options_, update_);
  const LossOptions loss =
      training_loss(model_.config(), options_, batch.target_tokens(), workers_.size());
  const auto run = [&](Worker& worker) {
    compute_loss(*worker.ctx, model_, worker.part, pass, loss, &worker.grads);
  };
  std::vector<std::future<void>> others;
  for (std::size_t w = 1; w < workers_.size(); ++w)
    others.push_back(std::async(std::launch::async, [&, w] { run(workers_[w]); }));
  run(workers_[0]);
  for (std::future<void>& other : others) other.get();

  const View sum = workers_[0].grads.flat();
  for (std::size_t w = 1; w < workers_.size(); ++w) {
    add(ctx_, workers_[w].grads.flat(), sum);
    fill(ctx_, 0, workers_[w].grads.flat());
  }
  const float norm = global_norm(ctx_, sum);
  ++update_;
  optimizer_->step(ctx_, update_, learning_rate(options_.schedule, update_),
                   clip_scale(norm, options_.clip_norm));
}

}  // namespace switchyard::bench
