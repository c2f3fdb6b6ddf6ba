// SPDX-License-Identifier: Apache-2.0
#include "src/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "src/core/error.h"
#include "src/train/clip.h"

namespace switchyard {

namespace {

constexpr std::int64_t kMaxSkippedInARow = 10;
// Mean loss from which on a gradient of exactly 0 is not that of a text learned by heart.
constexpr double kSmallLoss = 1e-3;

template <class T>
void add_to(std::vector<T>& sum, const std::vector<T>& x) {
  sum.resize(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) sum[i] += x[i];
}

void add_to(LossResult& sum, const LossResult& x, float router_scale) {
  sum.loss_sum += x.loss_sum;
  sum.nll_sum += x.nll_sum;
  sum.target_tokens += x.target_tokens;
  sum.router_aux_loss.resize(x.router_aux_loss.size());
  sum.router_z_loss.resize(x.router_z_loss.size());
  sum.expert_count.resize(x.expert_count.size());
  for (std::size_t layer = 0; layer < x.expert_count.size(); ++layer) {
    sum.router_aux_loss[layer] += router_scale * x.router_aux_loss[layer];
    sum.router_z_loss[layer] += router_scale * x.router_z_loss[layer];
    add_to(sum.expert_count[layer], x.expert_count[layer]);
  }
  add_to(sum.dropped, x.dropped);
  for (std::size_t i = 0; i < x.seconds.size(); ++i) sum.seconds[i] += x.seconds[i];
}

// Activations whose squares overflow become zeros in the next norm: then all is finite, and dead.
bool is_usable(const StepResult& step) {
  const double loss = step.loss.loss_sum / static_cast<double>(step.loss.target_tokens);
  return std::isfinite(step.grad_norm) && std::isfinite(loss) &&
         !(step.grad_norm == 0 && loss > kSmallLoss);
}

}  // namespace

Pass training_pass(const ModelConfig& config, const TrainerOptions& options, std::int64_t update) {
  Pass pass;
  pass.training = true;
  pass.recompute = options.activation_checkpointing;
  pass.dropout_rate = config.dropout_rate;
  pass.jitter_noise = config.router_jitter_noise;
  pass.seed = options.seed;
  pass.step = static_cast<std::uint64_t>(update);
  pass.capacity = options.capacity;
  return pass;
}

LossOptions training_loss(const ModelConfig& config, const TrainerOptions& options,
                          std::int64_t target_tokens, std::size_t batches) {
  LossOptions loss;
  loss.label_smoothing = options.label_smoothing;
  loss.router_aux_loss_coef = config.router_aux_loss_coef;
  loss.router_z_loss_coef = config.router_z_loss_coef;
  // Every target token weighs the same, whichever batch it is in.
  loss.ce_scale = 1.0f / static_cast<float>(target_tokens);
  loss.router_scale = 1.0f / static_cast<float>(batches);
  return loss;
}

Trainer::Trainer(Context& ctx, Model& model, const ParamBuffer& params,
                 const TrainerOptions& options)
    : ctx_(ctx),
      model_(model),
      params_(params),
      options_(options),
      workers_(ctx, model.layout(), options.workers),
      optimizer_(
          make_optimizer(ctx, options.optimizer, options.adamw, model, workers_.gradient())) {
  model.bind(ctx, params);
  prepare();
  if (options.exponential_smoothing > 0) average_.emplace(ctx, model.layout());
  reset_average();
}

void Trainer::prepare() {
  if (ctx_.compute_type == DType::bf16) model_.prepare(ctx_);
}

void Trainer::reset_average() {
  if (average_) copy(ctx_, params_.flat(), average_->flat());
}

StepResult Trainer::step(std::vector<HostBatch> batches) {
  StepResult result = forward_backward(std::move(batches));
  PhaseClock clock;
  result.grad_norm = workers_.sum_gradients();
  clock.end(Phase::norm, result.loss.seconds);
  result.rate = learning_rate(options_.schedule, counters_.update + 1);
  result.skipped = !is_usable(result);
  if (result.skipped) {
    skip(result);
    return result;
  }
  counters_.skipped_in_a_row = 0;
  ++counters_.update;
  update(result);
  clock.end(Phase::update, result.loss.seconds);
  return result;
}

std::int64_t Trainer::measure_arenas(HostBatch batch) {
  const Pass pass = training_pass(model_.config(), options_, counters_.update);
  const int threads = std::max(1, ctx_.threads / workers_.count());
  std::size_t bytes = 0;
  for (const HostBatch& part : split_batch(std::move(batch), workers_.count())) {
    const auto ctx = make_context({threads, ctx_.row_invariant, ctx_.compute_type});
    const LossOptions loss = training_loss(model_.config(), options_, part.target_tokens(), 1);
    compute_loss(*ctx, model_, part, pass, loss, &workers_.gradient());
    bytes += ctx->saved.peak_bytes() + ctx->scratch.peak_bytes();
  }
  workers_.clear_gradients();
  return static_cast<std::int64_t>(bytes);
}

StepResult Trainer::forward_backward(std::vector<HostBatch>&& batches) {
  StepResult result;
  std::int64_t target_tokens = 0;
  std::vector<std::vector<HostBatch>> parts(static_cast<std::size_t>(workers_.count()));
  std::size_t count = 0;
  for (HostBatch& batch : batches) {
    target_tokens += batch.target_tokens();
    result.source_tokens += batch.source_tokens();
    result.sentences += static_cast<std::int64_t>(batch.source.size());
    std::size_t worker = 0;
    for (HostBatch& part : split_batch(std::move(batch), workers_.count())) {
      parts[worker++].push_back(std::move(part));
      ++count;
    }
  }

  const Pass pass = training_pass(model_.config(), options_, counters_.update);
  const LossOptions loss = training_loss(model_.config(), options_, target_tokens, count);
  std::vector<LossResult> losses(parts.size());
  try {
    workers_.run([&](int worker, Context& ctx) {
      const auto w = static_cast<std::size_t>(worker);
      for (const HostBatch& part : parts[w])
        add_to(losses[w],
               compute_loss(ctx, model_, part, pass, loss, &workers_.gradient_of(worker)),
               loss.router_scale);
    });
  } catch (...) {
    workers_.clear_gradients();  // of the parts finished before one was refused
    throw;
  }
  result.loss = std::move(losses.front());  // worker 0 has a part of every batch
  for (std::size_t w = 1; w < losses.size(); ++w)
    if (losses[w].target_tokens > 0) add_to(result.loss, losses[w], 1);
  // The workers ran at the same time: the mean is close to elapsed time.
  for (double& seconds : result.loss.seconds) seconds /= workers_.count();
  return result;
}

void Trainer::update(const StepResult& result) {
  const float scale = clip_scale(result.grad_norm, options_.clip_norm);
  // Marian's: at first the average follows quickly, with 1 - (t + 1) / (t + 10).
  const double t = static_cast<double>(counters_.update);
  const double follow =
      std::max<double>(options_.exponential_smoothing, 1.0 - (t + 1.0) / (t + 10.0));
  workers_.run([&](int worker, Context& ctx) {
    const ParamShare& share = workers_.share_of(worker);
    if (share.size == 0) return;
    optimizer_->step(ctx, share.params, counters_.update, result.rate, scale);
    if (average_) lerp(ctx, static_cast<float>(follow), share.of(params_), share.of(*average_));
  });
}

void Trainer::skip(const StepResult& result) {
  workers_.clear_gradients();
  ++counters_.skipped;
  ++counters_.skipped_in_a_row;
  check(counters_.skipped_in_a_row < kMaxSkippedInARow, ErrorKind::kDiverged,
        "training diverged after update ", counters_.update, ": ", kMaxSkippedInARow,
        " steps in a row had a gradient that is 0 or not finite (the last: norm ", result.grad_norm,
        ", learning rate ", result.rate, ")");
}

}  // namespace switchyard
