// SPDX-License-Identifier: Apache-2.0
#include "bench/worker_trainer.h"

#include "src/core/error.h"
#include "src/train/clip.h"

namespace switchyard::bench {

WorkerTrainer::WorkerTrainer(Context& ctx, Model& model, const ParamBuffer& params,
                             const TrainerOptions& options, int workers)
    : ctx_(ctx), model_(model), options_(options), begin_(workers), end_(workers) {
  check(ctx.threads % workers == 0, ErrorKind::kUsage, "--workers ", workers,
        ", expected a divisor of ", ctx.threads, " threads");
  for (int w = 0; w < workers; ++w)
    workers_.push_back({make_context({ctx.threads / workers, ctx.row_invariant, ctx.compute_type}),
                        ParamBuffer(ctx, model.layout()),
                        {}});
  model.bind(params);
  if (ctx.compute_type == DType::bf16) model.prepare(ctx);
  optimizer_ = make_optimizer(ctx, options.optimizer, options.adamw, model, workers_[0].grads);

  const ModelConfig& config = model.config();
  pass_.training = true;
  pass_.dropout_rate = config.dropout_rate;
  pass_.jitter_noise = config.router_jitter_noise;
  pass_.seed = options.seed;
  pass_.capacity = options.capacity;
  loss_.label_smoothing = options.label_smoothing;
  loss_.router_aux_loss_coef = config.router_aux_loss_coef;
  loss_.router_z_loss_coef = config.router_z_loss_coef;
  loss_.router_scale = 1.0f / static_cast<float>(workers);

  for (std::size_t w = 1; w < workers_.size(); ++w)
    threads_.emplace_back([this, w] {
      for (begin_.arrive_and_wait(); !stop_; begin_.arrive_and_wait()) {
        run(workers_[w]);
        end_.arrive_and_wait();
      }
    });
}

WorkerTrainer::~WorkerTrainer() {
  stop_ = true;
  begin_.arrive_and_wait();
}

void WorkerTrainer::run(Worker& worker) {
  compute_loss(*worker.ctx, model_, worker.part, pass_, loss_, &worker.grads);
}

void WorkerTrainer::step(const HostBatch& batch) {
  // A batch is sorted by length: taken in turn, the parts are alike.
  for (Worker& worker : workers_) worker.part = {};
  for (std::size_t i = 0; i < batch.source.size(); ++i) {
    HostBatch& part = workers_[i % workers_.size()].part;
    part.source.push_back(batch.source[i]);
    part.target.push_back(batch.target[i]);
    part.sentence.push_back(batch.sentence[i]);
  }
  pass_.step = static_cast<std::uint64_t>(update_);
  loss_.ce_scale = 1.0f / static_cast<float>(batch.target_tokens());

  begin_.arrive_and_wait();
  run(workers_[0]);
  end_.arrive_and_wait();

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
