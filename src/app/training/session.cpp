// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/session.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "src/app/figures.h"
#include "src/app/stop_signal.h"
#include "src/app/training/average.h"
#include "src/app/training/checkpoints.h"
#include "src/app/training/limits.h"
#include "src/app/training/metrics_file.h"
#include "src/app/training/pretrained.h"
#include "src/app/training/progress.h"
#include "src/app/training/resume.h"
#include "src/app/training/scores.h"
#include "src/app/training/setup.h"
#include "src/app/training/state.h"
#include "src/app/vocabulary_warnings.h"
#include "src/core/error.h"
#include "src/core/file.h"
#include "src/core/log.h"
#include "src/text/prefetch.h"

namespace switchyard {

namespace {

constexpr std::size_t kBatchesAhead = 8;
constexpr double kStatusSeconds = 0.5;

struct NextBatch {
  HostBatch batch;
  std::int64_t batches_in_epoch = 0;
  BatchPosition end;  // where a run resumes after this batch
};

class TrainingSession {
 public:
  TrainingSession(const TrainingOptions& options, const std::string& title);
  int run();

 private:
  Tokenizer make_tokenizer(const ParallelText& text) const;
  void start_batches();
  void step();
  void report(const TrainingState& before, const StepResult& step, double seconds);
  void validate();
  bool save();
  std::string end_text(bool worked);
  ProgressPoint point() const;
  MetricHistory& first_metric() { return state_.metrics[options_.valid_metrics[0]]; }
  bool stalled() {
    return options_.early_stopping > 0 && first_metric().stalled >= options_.early_stopping;
  }

  TrainingDirectory directory_;
  const bool resuming_;
  const TrainingOptions options_;
  TrainingParts parts_;
  Trainer& trainer_;
  Model averaged_model_;  // the same model, bound to the values to validate and save
  Scores scores_;
  Checkpoints checkpoints_;
  TrainingState state_;
  std::optional<MetricsFile> metrics_;
  std::optional<MetricHistory> kept_best_;  // of the saved best model while a better one is unsaved
  std::unique_ptr<Prefetch<NextBatch>> batches_;
  std::int64_t batches_in_epoch_ = 0;
  double begin_progress_ = 0;  // of this process
  double begin_seconds_ = 0;
  std::chrono::steady_clock::time_point begin_, last_status_;
};

TrainingSession::TrainingSession(const TrainingOptions& options, const std::string& title)
    : directory_(options.directory, options.overwrite),
      resuming_(begin_or_resume(options, directory_)),
      options_(start_options(options, resuming_ ? Start::kResumed : Start::kNew)),
      parts_(options_, [this](const ParallelText& text) { return make_tokenizer(text); }),
      trainer_(parts_.trainer),
      averaged_model_(parts_.model.config()),
      scores_(options_, parts_, averaged_model_),
      checkpoints_(options_, directory_, parts_, averaged_model_) {
  averaged_model_.bind(*parts_.ctx, trainer_.averaged());
  const ModelConfig& config = parts_.model.config();
  log_info(title + " (" + backend_description() + ", " + counted(parts_.threads, "thread") + ", " +
           counted(options.trainer.workers, "worker") + ", " + name_of(options.compute_type) +
           ") model: " + millions(parameter_count(config)) + " params, " +
           millions(active_parameter_count(config)) + " active/token, vocabulary " +
           std::to_string(config.vocab_size));
  state_.compute_type = name_of(options.compute_type);
  state_.tokenizer_hash = parts_.tokenizer.hash();
  state_.train_hash = parts_.text.train.hash();
  state_.valid_hash = parts_.text.valid.hash();
  if (resuming_)
    checkpoints_.load(state_);
  else
    parts_.initialise(options_);
  parts_.plan_batches(options_, batch_words(options_, state_));
  state_.mini_batch_words = parts_.batches.mini_batch_words;
  log_info("memory: " + memory_text(parts_.memory));
  scores_.warn_if_bleu_is_0();
  metrics_.emplace(directory_.file("metrics.jsonl"), state_.metrics_bytes);
  directory_.keep();
  update_settings(options_, directory_);
}

Tokenizer TrainingSession::make_tokenizer(const ParallelText& text) const {
  if (resuming_)
    return options_.vocab.empty() ? Tokenizer::load_directory(directory_.path())
                                  : Tokenizer::load(options_.vocab);
  Tokenizer tokenizer = make_vocabulary(text, options_);
  tokenizer.save(directory_.path());
  const fs::path file = Tokenizer::find(directory_.path()).value_or(directory_.path());
  warn_of_differences_in_transformers(escaped(file.native()), tokenizer);
  return tokenizer;
}

void TrainingSession::start_batches() {
  auto batcher = std::make_shared<Batcher>(parts_.text.train, parts_.batches, state_.position);
  batches_in_epoch_ = batcher->batches_in_epoch();
  const auto next = [batcher]() -> std::optional<NextBatch> {
    const std::int64_t batches_in_epoch = batcher->batches_in_epoch();
    HostBatch batch = batcher->next();
    return NextBatch{std::move(batch), batches_in_epoch, batcher->position()};
  };
  batches_ = std::make_unique<Prefetch<NextBatch>>(next, kBatchesAhead);
}

int TrainingSession::run() {
  start_batches();
  begin_ = std::chrono::steady_clock::now();
  begin_seconds_ = state_.seconds;
  begin_progress_ = progress(options_.after, state_, batches_in_epoch_);
  defer_stop_signals();
  bool worked = false;
  while (stop_signal() == 0 && !stalled() &&
         progress(options_.after, state_, batches_in_epoch_) < 1) {
    step();
    worked = true;
  }
  set_status_line("");

  if (stop_signal() == 0 && state_.validated_update != state_.counters.update) {
    validate();
    worked = true;
  }
  const bool saved = save();
  if (const int signal = stop_signal()) {
    check(saved, ErrorKind::kRuntime, "stopped by signal ", signal, "; update ",
          state_.counters.update, " could not be saved");
    log_info("stopped by signal " + std::to_string(signal) + "; rerun the same command to resume");
    return 128 + signal;
  }
  if (!saved) fail(ErrorKind::kRuntime, "training finished, but ", checkpoints_.unsaved());
  metrics_->append({{"event", "end"}, {"update", state_.counters.update}});
  metrics_->sync();
  log_info(end_text(worked));
  write_average(directory_, options_, scores_.deciding_metric());
  return checkpoints_.failed() ? static_cast<int>(ErrorKind::kRuntime) : 0;
}

// Says why the run is over and which checkpoint is the best. `worked`: this process has trained or
// validated.
std::string TrainingSession::end_text(bool worked) {
  const std::string& metric = options_.valid_metrics[0];
  const MetricHistory& history = first_metric();
  const std::string no_better = metric + " has not improved in " +
                                counted(history.stalled, "validation") + " (--early-stopping)";
  if (!worked)
    return "nothing to do: " + (stalled() ? no_better
                                          : limit_passed(options_.after, state_, batches_in_epoch_,
                                                         options_.trainer.schedule));
  std::string text =
      "training finished: " +
      (stalled() ? no_better : reached_limit(options_.after, state_, batches_in_epoch_));
  if (history.best_update >= 0)
    text += ". Best: checkpoint-" + std::to_string(history.best_update) + ", " + metric + " " +
            metric_text(metric, history.best.value);
  return text;
}

void TrainingSession::step() {
  if (kept_best_) {
    // This update overwrites the better model, which could not be saved: from now on the saved best
    // is the one to beat.
    first_metric() = {kept_best_->best, kept_best_->best_update, 0};
    kept_best_.reset();
  }
  const auto begin = std::chrono::steady_clock::now();
  const TrainingState before = state_;
  std::vector<HostBatch> batches;
  for (std::int64_t i = 0; i < options_.optimizer_delay; ++i) {
    NextBatch next = *batches_->next();
    state_.position = next.end;
    batches_in_epoch_ = next.batches_in_epoch;
    batches.push_back(std::move(next.batch));
  }
  const StepResult result = parts_.step(std::move(batches));
  state_.counters = trainer_.counters();
  const auto now = std::chrono::steady_clock::now();
  state_.seconds = begin_seconds_ + std::chrono::duration<double>(now - begin_).count();
  if (result.skipped) {
    log_warning("update " + std::to_string(state_.counters.update + 1) +
                (result.grad_norm == 0 ? ": the gradient is 0" : ": the gradient is not finite") +
                "; step skipped");
  } else {
    report(before, result, std::chrono::duration<double>(now - begin).count());
  }
  if (state_.position.epoch > before.position.epoch) state_.epoch_sentences = 0;
  if (is_due(options_.valid_freq, before, state_)) validate();
  if (is_due(options_.save_freq, before, state_)) save();
}

ProgressPoint TrainingSession::point() const {
  ProgressPoint p;
  p.epoch = state_.epoch();
  p.update = state_.counters.update;
  p.sentences = state_.epoch_sentences;
  p.target_tokens = state_.target_tokens;
  p.skipped = state_.counters.skipped;
  const double done = progress(options_.after, state_, batches_in_epoch_);
  if (done > begin_progress_)
    p.eta_seconds =
        (state_.seconds - begin_seconds_) * std::max(0.0, 1 - done) / (done - begin_progress_);
  return p;
}

void TrainingSession::report(const TrainingState& before, const StepResult& step, double seconds) {
  state_.window.add(step, seconds);
  state_.target_tokens += step.loss.target_tokens;
  state_.epoch_sentences += step.sentences;
  const auto now = std::chrono::steady_clock::now();
  if (std::chrono::duration<double>(now - last_status_).count() > kStatusSeconds) {
    set_status_line(
        status_line(point(), state_.window, progress(options_.after, state_, batches_in_epoch_)));
    last_status_ = now;
  }
  if (is_due(options_.disp_freq, before, state_) || state_.counters.update <= options_.disp_first) {
    log_info(progress_line(point(), state_.window));
    metrics_->append(train_record(point(), state_.window));
    state_.window = {};
  }
}

void TrainingSession::validate() {
  const MetricHistory kept = first_metric();
  if (!scores_.validate(state_, *metrics_)) return;
  kept_best_ = kept;
  save();
}

bool TrainingSession::save() {
  const bool saved = checkpoints_.save(state_, *metrics_);
  if (saved) kept_best_.reset();
  return saved;
}

}  // namespace

int run_training(const TrainingOptions& options, const std::string& title) {
  catch_stop_signals();
  TrainingSession session(options, title);
  return session.run();
}

}  // namespace switchyard
