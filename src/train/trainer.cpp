// SPDX-License-Identifier: Apache-2.0
#include "src/train/trainer.h"

#include <algorithm>
#include <utility>

#include "src/core/error.h"

namespace switchyard {

namespace {

constexpr std::int64_t kMaxSkippedInARow = 10;
// Above this mean loss, a gradient of exactly 0 does not mean that the model has memorized the
// text, but that it is dead: activations whose squares overflow become zeros in the next norm, and
// everything stays finite.
constexpr float kSmallLoss = 1e-3;

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
}

}  // namespace

Pass training_pass(const ModelConfig& config, const TrainerOptions& options, std::int64_t update) {
  Pass pass;
  pass.training = true;
  pass.recompute = options.activation_checkpointing;
  pass.dropout_rate = config.dropout_rate;
  pass.expert_dropout_rate = options.expert_dropout;
  pass.jitter_noise = config.router_jitter_noise;
  pass.seed = options.seed;
  pass.step = static_cast<std::uint64_t>(update);
  pass.capacity = options.capacity;
  return pass;
}

LossOptions training_loss(const ModelConfig& config, const TrainerOptions& options,
                          std::int64_t target_tokens, std::int64_t batches) {
  LossOptions loss;
  loss.label_smoothing = options.label_smoothing;
  loss.router_aux_loss_coef = config.router_aux_loss_coef;
  loss.router_z_loss_coef = config.router_z_loss_coef;
  // Every target token has the same weight, whichever batch it is in.
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
      statistics_(model.config()) {
  model.bind(ctx, params);
  prepare();
  OptimizerParams updated{model, params, workers_.gradient(), {}, options.frozen};
  for (int i = 0; i < workers_.count(); ++i) updated.shares.push_back(workers_.share_of(i).params);
  optimizer_ = make_optimizer(ctx, options.optimizer, options.adamw, updated);
  if (options.exponential_smoothing > 0) average_.emplace(ctx, model.layout());
  reset_average();
}

void Trainer::prepare() {
  if (ctx_.compute_type == DType::bf16) model_.prepare(ctx_);
}

void Trainer::reset_average() {
  if (!average_) return;
  copy(ctx_, params_.flat(), average_->flat());
  finish(ctx_);
}

// Issues everything before reading anything.
StepResult Trainer::step(std::vector<HostBatch> batches) {
  const Work work = deal_out(std::move(batches));
  statistics_.begin(ctx_, work.count);
  PhaseSeconds seconds = forward_backward(work);
  PhaseClock clock;
  workers_.sum_gradients();
  clock.end(Phase::norm, seconds);
  const double rate = learning_rate(options_.schedule, counters_.update + 1);
  update(work, rate);
  StepResult result = read_result(work);
  clock.end(Phase::update, seconds);
  result.loss.seconds = seconds;
  result.rate = rate;
  if (result.skipped) {
    count_skipped(result);
  } else {
    counters_.skipped_in_a_row = 0;
    ++counters_.update;
  }
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

Trainer::Work Trainer::deal_out(std::vector<HostBatch>&& batches) const {
  Work work;
  work.parts.resize(static_cast<std::size_t>(workers_.count()));
  for (HostBatch& batch : batches) {
    work.target_tokens += batch.target_tokens();
    work.source_tokens += batch.source_tokens();
    work.sentences += std::ssize(batch.source);
    std::size_t worker = 0;
    for (HostBatch& part : split_batch(std::move(batch), workers_.count())) {
      work.parts[worker++].push_back(std::move(part));
      ++work.count;
    }
  }
  return work;
}

// Returns the mean of the workers' times: they run concurrently, so it is close to elapsed time.
PhaseSeconds Trainer::forward_backward(const Work& work) {
  const Pass pass = training_pass(model_.config(), options_, counters_.update);
  const LossOptions loss = training_loss(model_.config(), options_, work.target_tokens, work.count);
  std::vector<PhaseSeconds> by_worker(work.parts.size());
  try {
    workers_.run([&](int worker, Context& ctx) {
      const auto w = static_cast<std::size_t>(worker);
      std::int64_t row = 0;
      for (std::size_t before = 0; before < w; ++before) row += std::ssize(work.parts[before]);
      for (const HostBatch& part : work.parts[w])
        switchyard::forward_backward(
            ctx, model_, part, pass, loss,
            {&workers_.gradient_of(worker), statistics_.part(row++), &by_worker[w]});
      clear_frozen(ctx, workers_.gradient_of(worker));
    });
  } catch (...) {
    workers_.clear_gradients();  // of parts that finished before the error
    throw;
  }
  PhaseSeconds mean{};
  for (const PhaseSeconds& seconds : by_worker)
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += seconds[i] / workers_.count();
  return mean;
}

void Trainer::clear_frozen(Context& ctx, const ParamBuffer& grads) const {
  if (options_.frozen.empty()) return;
  model_.each_param([&](const Param& param) {
    if (is_frozen(options_.frozen, param)) fill(ctx, 0, grads[param]);
  });
}

// Issues the next update, which the backend may decide to skip.
void Trainer::update(const Work& work, double rate) {
  const View decision = statistics_.decision();
  decide_update(ctx_, {options_.clip_norm, work.target_tokens, kSmallLoss}, workers_.squares(),
                statistics_.losses(), decision);
  const std::int64_t number = counters_.update + 1;
  // As in Marian, the average follows faster at first, with weight 1 - (t + 1) / (t + 10).
  const double t = static_cast<double>(number);
  const double follow =
      std::max<double>(options_.exponential_smoothing, 1.0 - (t + 1.0) / (t + 10.0));
  workers_.run([&](int worker, Context& ctx) {
    const ParamShare& share = workers_.share_of(worker);
    if (share.size == 0) return;
    optimizer_->step(ctx, static_cast<std::size_t>(worker), number, rate, decision);
    if (average_)
      update_average(ctx, static_cast<float>(follow), share.of(params_), decision,
                     share.of(*average_));
  });
}

StepResult Trainer::read_result(const Work& work) {
  const std::vector<float>& host = statistics_.read(ctx_);
  StepResult result;
  result.source_tokens = work.source_tokens;
  result.sentences = work.sentences;
  result.grad_norm = host[kGradNorm];
  result.skipped = host[kUpdated] == 0;
  const float router_scale = 1.0f / static_cast<float>(work.count);
  std::int64_t row = 0;
  for (const std::vector<HostBatch>& parts : work.parts) {
    LossResult of_worker;
    for (const HostBatch& part : parts) {
      LossResult loss =
          read_statistics(model_.config(), host.data() + statistics_.place_of_part(row++));
      loss.target_tokens = part.target_tokens();
      add_to(of_worker, loss, router_scale);
    }
    if (!parts.empty()) add_to(result.loss, of_worker, 1);
  }
  return result;
}

void Trainer::count_skipped(const StepResult& result) {
  ++counters_.skipped;
  ++counters_.skipped_in_a_row;
  check(counters_.skipped_in_a_row < kMaxSkippedInARow, ErrorKind::kDiverged,
        "training diverged after update ", counters_.update, ": ", kMaxSkippedInARow,
        " steps in a row had a gradient that is 0 or not finite (the last: norm ", result.grad_norm,
        ", learning rate ", result.rate, ")");
}

}  // namespace switchyard
