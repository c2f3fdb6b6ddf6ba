// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/scores.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "src/core/error.h"
#include "src/core/log.h"

namespace switchyard {

Scores::Scores(const TrainingOptions& options, const TrainingParts& parts, const Model& averaged)
    : options_(options),
      data_(parts.text),
      validator_(averaged, parts.tokenizer, parts.text, options, parts.threads) {}

void Scores::warn_if_bleu_is_0() const {
  const std::vector<std::string>& metrics = options_.valid_metrics;
  if (std::find(metrics.begin(), metrics.end(), "bleu") == metrics.end() ||
      validator_.is_meaningful("bleu"))
    return;
  const bool decides = metrics[0] == "bleu";
  std::string advice = validator_.bleu_can_score("char") ? "--valid-tokenize char" : "";
  if (decides) advice += advice.empty() ? "--valid-metrics chrf" : " or --valid-metrics chrf";
  log_warning("no validation reference has 4 tokens (--valid-tokenize " + options_.valid_tokenize +
              "), so BLEU is 0 even for perfect translations" +
              (decides ? "; ce-mean-words decides which model is the best" : "") +
              (advice.empty() ? "" : ". Try " + advice));
}

bool Scores::validate(TrainingState& state, MetricsFile& metrics) {
  set_status_line("validating");
  const ValidationResult result = run_validator(state);
  set_status_line("");
  nlohmann::json record = {{"event", "valid"},
                           {"epoch", state.epoch()},
                           {"update", state.counters.update},
                           {"words", state.target_tokens},
                           {"seconds", result.seconds},
                           {"ce-mean-words", result.ce_mean_words}};  // breaks ties
  bool best = false;
  for (const std::string& name : options_.valid_metrics) {
    record[name] = result.metric(name);
    const bool new_best = note_metric(name, result, state);
    if (name == options_.valid_metrics[0]) best = new_best;
  }
  record["signature"] = validator_.signature();
  metrics.append(record);
  log_samples(result);
  state.validated_update = state.counters.update;
  return best;
}

// If validation meets non-finite values, the last update is to blame, not the data.
ValidationResult Scores::run_validator(const TrainingState& state) {
  try {
    return validator_.run();
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kData) throw;
    fail(ErrorKind::kDiverged, "training diverged at update ", state.counters.update, ": ",
         e.what());
  }
}

// Logs a metric and adds it to its history. Returns true if it is the best so far.
bool Scores::note_metric(const std::string& name, const ValidationResult& result,
                         TrainingState& state) const {
  const MetricValue now{result.metric(name), result.ce_mean_words, validator_.is_meaningful(name)};
  MetricHistory& history = state.metrics[name];
  log_info("[valid] Ep. " + std::to_string(state.epoch()) + " : Up. " +
           std::to_string(state.counters.update) + " : " + name + " : " +
           metric_text(name, now.value) + " : " + history.judgement(name, now));
  return history.record(name, now, state.counters.update);
}

std::string Scores::deciding_metric() const {
  const std::string& first = options_.valid_metrics[0];
  return validator_.is_meaningful(first) ? first : "ce-mean-words";
}

void Scores::log_samples(const ValidationResult& result) const {
  constexpr std::size_t kSamples = 3;
  const std::size_t count = result.translations.size();
  for (std::size_t s = 0; s < std::min(kSamples, count); ++s) {
    const std::size_t i = s * count / kSamples;
    log_info("[valid] source:      " + escaped(data_.valid_source[i]));
    log_info("[valid] translation: " + escaped(result.translations[i]));
    log_info("[valid] reference:   " + escaped(data_.valid_reference[i]));
  }
}

}  // namespace switchyard
