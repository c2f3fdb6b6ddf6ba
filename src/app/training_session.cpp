// SPDX-License-Identifier: Apache-2.0
#include "src/app/training_session.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "src/app/figures.h"
#include "src/app/progress.h"
#include "src/app/training_parts.h"
#include "src/app/training_start.h"
#include "src/app/training_state.h"
#include "src/app/validation.h"
#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/log.h"
#include "src/io/checkpoint.h"
#include "src/text/prefetch.h"
#include "src/train/clip.h"

namespace switchyard {

namespace {

constexpr std::size_t kBatchesAhead = 8;
constexpr double kStatusSeconds = 0.5;

volatile std::sig_atomic_t stop_signal = 0;

// The first signal asks for an orderly end, the second ends the program at once: files are whole at
// any moment.
void catch_signals() {
  struct sigaction action = {};
  action.sa_handler = [](int signal) { stop_signal = signal; };
  action.sa_flags = static_cast<int>(SA_RESETHAND) | SA_RESTART;
  for (const int signal : {SIGHUP, SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
}

class TrainingSession {
 public:
  TrainingSession(const TrainingOptions& options, const std::string& title);
  int run();

 private:
  Tokenizer make_tokenizer(const ParallelText& text) const;
  std::vector<StateBuffer> state_buffers();
  void resume();
  void start_batches();
  void step();
  void report(const TrainingState& before, const StepResult& step, double seconds);
  void validate();
  bool note_metric(const std::string& name, double value);
  void log_samples(const ValidationResult& result) const;
  void save();
  void write_checkpoint();
  void publish_best();
  ProgressPoint point() const;
  // Of the last batch taken, from 1.
  std::int64_t epoch() const {
    const BatchPosition& next = state_.position;
    return std::max<std::int64_t>(1, next.epoch + (next.batch > 0 ? 1 : 0));
  }
  const MetricHistory& first_metric() { return state_.metrics[options_.valid_metrics[0]]; }
  bool stalled() {
    return options_.early_stopping > 0 && first_metric().stalled >= options_.early_stopping;
  }

  const TrainingOptions options_;
  TrainingStart start_;
  TrainingDirectory& directory_;
  TrainingParts parts_;
  Trainer& trainer_;
  Model averaged_model_;  // the same, bound to what is validated and saved
  Validator validator_;
  TrainingState state_;
  std::optional<MetricsFile> metrics_;
  std::unique_ptr<Prefetch<PairBatch>> batches_;
  std::int64_t batches_in_epoch_ = 0;
  // Of the newest checkpoint: its update, and the validation it knows of.
  std::int64_t saved_update_ = -1, saved_validation_ = -1;
  bool save_failed_ = false;
  double begin_progress_ = 0;  // of this process
  double begin_seconds_ = 0;
  std::chrono::steady_clock::time_point begin_, last_status_;
};

TrainingSession::TrainingSession(const TrainingOptions& options, const std::string& title)
    : options_(options),
      start_(options),
      directory_(start_.directory),
      parts_(options, [this](const ParallelText& text) { return make_tokenizer(text); }),
      trainer_(parts_.trainer),
      averaged_model_(parts_.model.config()),
      validator_(averaged_model_, parts_.tokenizer, parts_.text, options, parts_.threads) {
  averaged_model_.bind(trainer_.averaged());
  const ModelConfig& config = parts_.model.config();
  log_info(title + " (" + backend_description() + ", " + std::to_string(parts_.threads) +
           " threads, float32) model: " + millions(parameter_count(config)) + " params, " +
           millions(active_parameter_count(config)) + " active/token, vocabulary " +
           std::to_string(config.vocab_size));
  log_info("memory: " + memory_text(parts_.memory));
  if (start_.resuming) {
    resume();
  } else {
    state_.tokenizer_hash = parts_.tokenizer.hash();
    state_.train_hash = parts_.text.train.hash();
    state_.valid_hash = parts_.text.valid.hash();
  }
  metrics_.emplace(directory_.file("metrics.jsonl"), state_.metrics_bytes);
}

Tokenizer TrainingSession::make_tokenizer(const ParallelText& text) const {
  const fs::path own = directory_.file("spiece.model");
  if (start_.resuming) return Tokenizer::load(options_.vocab.empty() ? own : options_.vocab);
  Tokenizer tokenizer =
      options_.vocab.empty() ? train_vocabulary(text, options_) : Tokenizer::load(options_.vocab);
  write_file_durably(own, tokenizer.bytes());
  return tokenizer;
}

// What a checkpoint holds beside the model's values.
std::vector<StateBuffer> TrainingSession::state_buffers() {
  std::vector<StateBuffer> buffers = {{"m", &trainer_.optimizer().m},
                                      {"v", &trainer_.optimizer().v}};
  if (trainer_.has_average()) buffers.push_back({"params", &parts_.params});
  return buffers;
}

void TrainingSession::resume() {
  std::vector<fs::path> folders;
  for (const std::int64_t update : directory_.checkpoints())
    folders.push_back(directory_.checkpoint(update));
  const fs::path newest = newest_whole_checkpoint(folders);
  const nlohmann::json json =
      load_checkpoint(*parts_.ctx, newest, parts_.model, trainer_.averaged(), state_buffers());
  state_ = with_context(newest.string(), [&] { return state_from_json(json); });
  const auto same = [&](std::uint64_t was, std::uint64_t now, const char* what) {
    check(was == now, ErrorKind::kData, directory_.path().string(), ": ", what,
          " differs from what this run was trained with; restore it, give another folder, or ",
          "--overwrite to start anew");
  };
  same(state_.tokenizer_hash, parts_.tokenizer.hash(), "the vocabulary");
  same(state_.train_hash, parts_.text.train.hash(), "the text of --train-sets");
  same(state_.valid_hash, parts_.text.valid.hash(), "the text of --valid-sets");
  trainer_.counters() = state_.counters;
  saved_update_ = state_.counters.update;
  saved_validation_ = state_.validated_update;
  log_info("going on from " + newest.filename().string());
  // The process may have ended between the checkpoint and its being made the best.
  if (first_metric().best_update == state_.counters.update) publish_best();
}

void TrainingSession::start_batches() {
  auto batcher =
      std::make_shared<Batcher>(parts_.text.train, batch_options(options_), state_.position);
  batches_in_epoch_ = batcher->batches_in_epoch();
  batches_ = std::make_unique<Prefetch<PairBatch>>(
      [batcher] { return std::optional<PairBatch>(batcher->next()); }, kBatchesAhead);
}

int TrainingSession::run() {
  start_batches();
  begin_ = std::chrono::steady_clock::now();
  begin_seconds_ = state_.seconds;
  begin_progress_ = progress(options_.after, state_, batches_in_epoch_);
  while (stop_signal == 0 && !stalled() && progress(options_.after, state_, batches_in_epoch_) < 1)
    step();
  set_status_line("");

  if (stop_signal == 0 && state_.validated_update != state_.counters.update) validate();
  save();
  if (stop_signal != 0) {
    log_info("stopped by signal " + std::to_string(stop_signal) + "; the same command goes on");
    return 128 + stop_signal;
  }
  metrics_->append({{"event", "end"}, {"update", state_.counters.update}});
  log_info(stalled() ? "training ended: no better " + options_.valid_metrics[0] + " in " +
                           std::to_string(first_metric().stalled) + " validations"
                     : "training ended");
  return save_failed_ ? static_cast<int>(ErrorKind::kRuntime) : 0;
}

void TrainingSession::step() {
  const auto begin = std::chrono::steady_clock::now();
  const TrainingState before = state_;
  std::vector<HostBatch> batches;
  for (std::int64_t i = 0; i < options_.optimizer_delay; ++i) {
    PairBatch pairs = *batches_->next();
    batches.push_back(
        {std::move(pairs.source), std::move(pairs.target), std::move(pairs.sentence)});
    state_.position = pairs.next;
    batches_in_epoch_ = pairs.batches_in_epoch;
  }
  const StepResult result = trainer_.step(batches);
  state_.counters = trainer_.counters();
  const auto now = std::chrono::steady_clock::now();
  state_.seconds = begin_seconds_ + std::chrono::duration<double>(now - begin_).count();
  if (before.position.batch == 0) state_.epoch_sentences = 0;
  if (result.skipped) {
    log_warning("update " + std::to_string(state_.counters.update + 1) +
                ": the gradient is not finite; step skipped");
  } else {
    report(before, result, std::chrono::duration<double>(now - begin).count());
  }
  if (is_due(options_.valid_freq, before, state_)) validate();
  if (is_due(options_.save_freq, before, state_)) save();
}

ProgressPoint TrainingSession::point() const {
  ProgressPoint p;
  p.epoch = epoch();
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
  set_status_line("validating");
  const ValidationResult result = validator_.run(*parts_.ctx);
  set_status_line("");
  nlohmann::json record = {{"event", "valid"},
                           {"epoch", epoch()},
                           {"update", state_.counters.update},
                           {"words", state_.target_tokens},
                           {"seconds", result.seconds}};
  bool best = false;
  for (const std::string& name : options_.valid_metrics) {
    record[name] = result.metric(name);
    const bool new_best = note_metric(name, result.metric(name));
    if (name == options_.valid_metrics[0]) best = new_best;
  }
  record["signature"] = Validator::signature();
  metrics_->append(record);
  log_samples(result);
  state_.validated_update = state_.counters.update;
  if (best) {
    save();
    if (saved_update_ == state_.counters.update) publish_best();
  }
}

// Logs a metric in Marian's words; true where it is the best so far.
bool TrainingSession::note_metric(const std::string& name, double value) {
  MetricHistory& history = state_.metrics[name];
  const bool best =
      std::isfinite(value) && (history.best_update < 0 || better(name, value, history.best));
  if (best) {
    history = {value, state_.counters.update, 0};
  } else {
    ++history.stalled;
  }
  const auto number = [&](double x) {
    char text[32];
    std::snprintf(text, sizeof(text), name == "ce-mean-words" ? "%.4f" : "%.2f", x);
    return std::string(text);
  };
  log_info("[valid] Ep. " + std::to_string(epoch()) + " : Up. " +
           std::to_string(state_.counters.update) + " : " + name + " : " + number(value) + " : " +
           (best ? "new best"
                 : "stalled " + std::to_string(history.stalled) +
                       " times (last best: " + number(history.best) + ")"));
  return best;
}

void TrainingSession::log_samples(const ValidationResult& result) const {
  constexpr std::size_t kSamples = 3;
  const std::size_t count = result.translations.size();
  for (std::size_t s = 0; s < std::min(kSamples, count); ++s) {
    const std::size_t i = s * count / kSamples;
    log_info("[valid] source:      " + parts_.text.valid_source[i]);
    log_info("[valid] translation: " + result.translations[i]);
    log_info("[valid] reference:   " + parts_.text.valid_reference[i]);
  }
}

// Writes a checkpoint. A full disk or a folder that is gone must not lose the run: it is warned of,
// and tried again at the next occasion.
void TrainingSession::save() {
  if (saved_update_ == state_.counters.update && saved_validation_ == state_.validated_update)
    return;
  check(std::isfinite(global_norm(*parts_.ctx, parts_.params.flat())), ErrorKind::kDiverged,
        "training diverged at update ", state_.counters.update,
        ": parameters are not finite; no checkpoint of them is written");
  try {
    write_checkpoint();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kRuntime) throw;
    save_failed_ = true;
    log_warning(std::string("checkpoint not written: ") + e.what());
  }
}

void TrainingSession::write_checkpoint() {
  state_.metrics_bytes = metrics_->sync();
  const GenerationConfig generation;
  const CheckpointParts parts{averaged_model_, trainer_.averaged(), generation, state_buffers(),
                              [&](const fs::path& to) {
                                write_file_durably(to / "spiece.model", parts_.tokenizer.bytes());
                              }};
  save_checkpoint(*parts_.ctx, directory_.checkpoint(state_.counters.update), parts,
                  state_to_json(state_, options_.valid_metrics[0]));
  saved_update_ = state_.counters.update;
  saved_validation_ = state_.validated_update;
  directory_.link_last(saved_update_);
  directory_.prune(options_.keep_last);
}

// Makes the model just saved the one that the folder's top-level files are.
void TrainingSession::publish_best() {
  try {
    save_model(*parts_.ctx, directory_.path(), averaged_model_, trainer_.averaged(), {});
    directory_.link_best(state_.counters.update);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kRuntime) throw;
    save_failed_ = true;
    log_warning(std::string("best model not written: ") + e.what());
  }
}

}  // namespace

int run_training(const TrainingOptions& options, const std::string& title) {
  catch_signals();
  TrainingSession session(options, title);
  return session.run();
}

}  // namespace switchyard
