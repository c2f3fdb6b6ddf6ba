// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/checkpoints.h"

#include <nlohmann/json.hpp>
#include <system_error>

#include "src/app/training/resume.h"
#include "src/core/error.h"
#include "src/core/file.h"
#include "src/core/log.h"

namespace switchyard {

Checkpoints::Checkpoints(const TrainingOptions& options, const TrainingDirectory& directory,
                         TrainingParts& parts, const Model& averaged)
    : directory_(directory),
      ctx_(*parts.ctx),
      trainer_(parts.trainer),
      tokenizer_(parts.tokenizer),
      model_(averaged),
      best_metric_(options.valid_metrics[0]),
      keep_last_(options.keep_last) {}

// The contents of optimizer.safetensors.
std::vector<StateTensor> Checkpoints::trainer_state() const {
  std::vector<StateTensor> state = trainer_.optimizer().state();
  if (trainer_.has_average())
    model_.each_param([&](const Param& param) {
      state.push_back({"params", &param, trainer_.params()[param]});
    });
  return state;
}

void Checkpoints::load(TrainingState& state) {
  const fs::path newest = newest_checkpoint(directory_.path());
  const TrainingState saved = load_state(newest);
  check_same_inputs(directory_.path(), saved, state);
  load_checkpoint(ctx_, newest, model_, trainer_.averaged(), trainer_state());
  trainer_.prepare();
  state = saved;
  trainer_.counters() = state.counters;
  saved_update_ = state.counters.update;
  saved_validation_ = state.validated_update;
  log_info("resuming from " + newest.filename().string());
  settle(state);
}

bool Checkpoints::save(TrainingState& state, MetricsFile& metrics) {
  if (saved_update_ == state.counters.update && saved_validation_ == state.validated_update)
    return true;
  if (!attempt("checkpoint not written", [&] { write(state, metrics); })) return false;
  settle(state);
  return true;
}

void Checkpoints::write(TrainingState& state, MetricsFile& metrics) {
  state.metrics_bytes = metrics.sync();
  const GenerationConfig generation;
  const CheckpointParts parts{model_, trainer_.averaged(), generation, trainer_state(),
                              [&](const fs::path& to) { tokenizer_.save(to); }};
  save_checkpoint(ctx_, directory_.checkpoint(state.counters.update), parts,
                  state_to_json(state, best_metric_));
  saved_update_ = state.counters.update;
  saved_validation_ = state.validated_update;
}

// Brings the links, the best model and the older checkpoints in line with the checkpoint just
// written or loaded. Each step checks what is already there: an earlier attempt may have been
// killed halfway, or have found the disk full.
void Checkpoints::settle(const TrainingState& state) {
  const auto metric = state.metrics.find(best_metric_);
  const std::int64_t best = metric == state.metrics.end() ? -1 : metric->second.best_update;
  attempt("link to the last checkpoint not written",
          [&] { directory_.link("last", state.counters.update); });
  attempt("best model not written", [&] {
    if (best < 0 || directory_.linked("best") == best || !directory_.has_checkpoint(best)) return;
    export_model(directory_.checkpoint(best), directory_.path());
    directory_.link("best", best);
  });
  attempt("old checkpoint not removed",
          [&] { directory_.prune(state.counters.update, best, keep_last_); });
}

std::string Checkpoints::unsaved() const {
  // The warning has already named the file.
  const std::string reason = last_failure_->error_number() != 0
                                 ? std::generic_category().message(last_failure_->error_number())
                                 : last_failure_->what();
  if (saved_update_ < 0) return "no checkpoint could be saved: " + reason;
  return "update " + std::to_string(trainer_.counters().update) + " could not be saved: " + reason +
         "; the newest checkpoint is checkpoint-" + std::to_string(saved_update_);
}

bool Checkpoints::attempt(const char* failure, const std::function<void()>& f) {
  try {
    f();
    return true;
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::kDiverged)
      fail(ErrorKind::kDiverged, "training diverged at update ", trainer_.counters().update, ": ",
           e.what());
    last_failure_ = e;
    log_warning(std::string(failure) + ": " + e.what());
    return false;
  }
}

}  // namespace switchyard
