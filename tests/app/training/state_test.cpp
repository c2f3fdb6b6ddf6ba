// SPDX-License-Identifier: Apache-2.0
// trainer_state.json: everything a resumed run needs survives, also from older checkpoints.
#include "src/app/training/state.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "src/core/error.h"
#include "tests/support/catch.h"

namespace switchyard {
namespace {

// No two fields have the same value, and none has its default. The structured bindings list every
// field: a new one does not compile until it is added here.
TrainingState full_state() {
  TrainingState state;
  auto& [counters, position, mini_batch_words, epoch_sentences, target_tokens, seconds, window,
         metrics, validated_update, metrics_bytes, tokenizer_hash, train_hash, valid_hash,
         compute_type] = state;
  auto& [update, skipped, skipped_in_a_row] = counters;
  update = 101, skipped = 102, skipped_in_a_row = 3;
  auto& [epoch, batch] = position;
  epoch = 104, batch = 105;
  mini_batch_words = 106, epoch_sentences = 107;
  target_tokens = std::int64_t{1} << 53 | 1;  // no double has this value
  seconds = 109.125;
  auto& [updates, sentences, source_tokens, window_tokens, loss, aux_loss, z_loss, expert_count,
         dropped, rate, grad_norm, window_seconds] = window;
  updates = 110, sentences = 111, source_tokens = 112, window_tokens = 113;
  loss = 114.1, aux_loss = {115.1, 115.2}, z_loss = {116.1, 116.2};
  expert_count = {{117, 118}, {119, 120, 121}}, dropped = {122, 123};
  rate = 1e-5 / 3, grad_norm = 125.25, window_seconds = 126.5;
  metrics["bleu"] = {{21.43, 2.5}, 127, 128};
  metrics["ce-mean-words"] = {{2.25, 2.25}, 129, 130};
  validated_update = 131, metrics_bytes = 132;
  tokenizer_hash = ~std::uint64_t{0}, train_hash = ~std::uint64_t{1}, valid_hash = 135;
  compute_type = "bfloat16";
  return state;
}

void check_same(const TrainingState& a, const TrainingState& b) {
  CHECK(a.counters.update == b.counters.update);
  CHECK(a.counters.skipped == b.counters.skipped);
  CHECK(a.counters.skipped_in_a_row == b.counters.skipped_in_a_row);
  CHECK(a.position == b.position);
  CHECK(a.mini_batch_words == b.mini_batch_words);
  CHECK(a.epoch_sentences == b.epoch_sentences);
  CHECK(a.target_tokens == b.target_tokens);
  CHECK(a.seconds == b.seconds);
  CHECK(a.window.updates == b.window.updates);
  CHECK(a.window.sentences == b.window.sentences);
  CHECK(a.window.source_tokens == b.window.source_tokens);
  CHECK(a.window.target_tokens == b.window.target_tokens);
  CHECK(a.window.loss == b.window.loss);
  CHECK(a.window.aux_loss == b.window.aux_loss);
  CHECK(a.window.z_loss == b.window.z_loss);
  CHECK(a.window.expert_count == b.window.expert_count);
  CHECK(a.window.dropped == b.window.dropped);
  CHECK(a.window.rate == b.window.rate);
  CHECK(a.window.grad_norm == b.window.grad_norm);
  CHECK(a.window.seconds == b.window.seconds);
  REQUIRE(a.metrics.size() == b.metrics.size());
  for (const auto& [name, history] : b.metrics) {
    CAPTURE(name);
    const MetricHistory& other = a.metrics.at(name);
    CHECK(other.best.value == history.best.value);
    CHECK(other.best.ce_mean_words == history.best.ce_mean_words);
    CHECK(other.best_update == history.best_update);
    CHECK(other.stalled == history.stalled);
  }
  CHECK(a.validated_update == b.validated_update);
  CHECK(a.metrics_bytes == b.metrics_bytes);
  CHECK(a.tokenizer_hash == b.tokenizer_hash);
  CHECK(a.train_hash == b.train_hash);
  CHECK(a.valid_hash == b.valid_hash);
  CHECK(a.compute_type == b.compute_type);
}

TrainingState reread(const TrainingState& state) {
  return state_from_json(nlohmann::json::parse(state_to_json(state, "bleu").dump()));
}

TEST_CASE("every field of a training state survives writing and reading") {
  check_same(reread(full_state()), full_state());
  check_same(reread(TrainingState()), TrainingState());
}

TEST_CASE("a training state has Hugging Face's fields") {
  const nlohmann::json json = state_to_json(full_state(), "ce-mean-words");
  CHECK(json.at("global_step") == 101);
  CHECK(json.at("epoch") == 104);
  CHECK(json.at("best_metric") == 2.25);
  CHECK(state_to_json(TrainingState(), "bleu").at("best_metric").is_null());
}

TEST_CASE("states of older versions are read, incomplete ones refused") {
  nlohmann::json json = state_to_json(full_state(), "bleu");
  nlohmann::json& own = json.at("switchyard");
  own.erase("mini_batch_words");
  own.erase("compute_type");
  for (auto& history : own.at("metrics")) history.erase("best_ce");
  TrainingState expected = full_state();
  expected.mini_batch_words = 0;
  expected.compute_type = "float32";
  for (auto& [name, history] : expected.metrics)
    history.best.ce_mean_words = MetricValue().ce_mean_words;
  check_same(state_from_json(json), expected);
  check_same(reread(expected), expected);

  for (const char* field : {"skipped", "batch", "window", "metrics", "train_hash"}) {
    CAPTURE(field);
    nlohmann::json incomplete = state_to_json(full_state(), "bleu");
    incomplete.at("switchyard").erase(field);
    CHECK_THROWS_AS(state_from_json(incomplete), Error);
  }
}

}  // namespace
}  // namespace switchyard
