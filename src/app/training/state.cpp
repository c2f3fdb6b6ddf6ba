// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/state.h"

#include <nlohmann/json.hpp>

#include "src/core/error.h"
#include "src/io/checkpoint.h"

namespace switchyard {

namespace {

// Missing in checkpoints of earlier versions; null is infinity, which JSON does not have.
double best_ce(const nlohmann::json& history) {
  const auto ce = history.find("best_ce");
  return ce == history.end() || ce->is_null() ? MetricValue().ce_mean_words : ce->get<double>();
}

}  // namespace

nlohmann::json state_to_json(const TrainingState& s, const std::string& first_metric) {
  nlohmann::json metrics = nlohmann::json::object();
  for (const auto& [name, history] : s.metrics)
    metrics[name] = {{"best", history.best.value},
                     {"best_ce", history.best.ce_mean_words},
                     {"best_update", history.best_update},
                     {"stalled", history.stalled}};
  const auto first = s.metrics.find(first_metric);
  const bool known = first != s.metrics.end() && first->second.best_update >= 0;
  return {{"global_step", s.counters.update},
          {"epoch", s.position.epoch},
          {"best_metric", known ? nlohmann::json(first->second.best.value) : nlohmann::json()},
          {"switchyard",
           {{"version", 1},
            {"skipped", s.counters.skipped},
            {"skipped_in_a_row", s.counters.skipped_in_a_row},
            {"batch", s.position.batch},
            {"mini_batch_words", s.mini_batch_words},
            {"epoch_sentences", s.epoch_sentences},
            {"target_tokens", s.target_tokens},
            {"seconds", s.seconds},
            {"window", s.window},
            {"metrics", metrics},
            {"validated_update", s.validated_update},
            {"metrics_bytes", s.metrics_bytes},
            {"compute_type", s.compute_type},
            {"tokenizer_hash", s.tokenizer_hash},
            {"train_hash", s.train_hash},
            {"valid_hash", s.valid_hash}}}};
}

TrainingState state_from_json(const nlohmann::json& json) {
  try {
    TrainingState s;
    json.at("global_step").get_to(s.counters.update);
    json.at("epoch").get_to(s.position.epoch);
    const nlohmann::json& own = json.at("switchyard");
    check(own.at("version") == 1, ErrorKind::kData, "trainer_state.json: version ",
          own.at("version").dump(), ", expected 1");
    own.at("skipped").get_to(s.counters.skipped);
    own.at("skipped_in_a_row").get_to(s.counters.skipped_in_a_row);
    own.at("batch").get_to(s.position.batch);
    s.mini_batch_words = own.value("mini_batch_words", std::int64_t{0});
    own.at("epoch_sentences").get_to(s.epoch_sentences);
    own.at("target_tokens").get_to(s.target_tokens);
    own.at("seconds").get_to(s.seconds);
    own.at("window").get_to(s.window);
    for (const auto& [name, history] : own.at("metrics").items())
      s.metrics[name] = {
          {history.at("best"), best_ce(history)}, history.at("best_update"), history.at("stalled")};
    own.at("validated_update").get_to(s.validated_update);
    own.at("metrics_bytes").get_to(s.metrics_bytes);
    s.compute_type = own.value("compute_type", name_of(DType::f32));
    own.at("tokenizer_hash").get_to(s.tokenizer_hash);
    own.at("train_hash").get_to(s.train_hash);
    own.at("valid_hash").get_to(s.valid_hash);
    return s;
  } catch (const nlohmann::json::exception& e) {
    fail(ErrorKind::kData, "trainer_state.json: ", e.what());
  }
}

TrainingState load_state(const std::filesystem::path& checkpoint) {
  return with_context(escaped(checkpoint.native()),
                      [&] { return state_from_json(read_trainer_state(checkpoint)); });
}

}  // namespace switchyard
