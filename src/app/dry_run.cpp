// SPDX-License-Identifier: Apache-2.0
#include "src/app/dry_run.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "src/app/figures.h"
#include "src/app/training_parts.h"
#include "src/app/training_state.h"

namespace switchyard {

namespace {

constexpr int kWarmUpUpdates = 2;
constexpr double kProbeSeconds = 5;
constexpr std::int64_t kUnevenRatio = 3;

// Pairs that are there a second time.
std::int64_t repeated_pairs(const Corpus& corpus) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  const auto bytes = [](std::span<const std::int32_t> ids) {
    return std::string_view(reinterpret_cast<const char*>(ids.data()), ids.size_bytes());
  };
  std::int64_t repeated = 0;
  for (std::int64_t i = 0; i < corpus.size(); ++i)
    if (!seen.emplace(bytes(corpus.source[i]), bytes(corpus.target[i])).second) ++repeated;
  return repeated;
}

std::int64_t uneven_pairs(const Corpus& corpus) {
  std::int64_t uneven = 0;
  for (std::int64_t i = 0; i < corpus.size(); ++i) {
    const auto [less, more] = std::minmax({corpus.source.length(i), corpus.target.length(i)});
    if (more > kUnevenRatio * less) ++uneven;
  }
  return uneven;
}

// Where a run stands after some updates that were not the first ones.
TrainingState probe(TrainingParts& parts, Batcher& batcher, std::int64_t delay) {
  TrainingState state;
  for (int update = -kWarmUpUpdates; state.seconds < kProbeSeconds; ++update) {
    std::vector<HostBatch> batches;
    for (std::int64_t i = 0; i < delay; ++i) batches.push_back(host_batch(batcher.next()));
    const auto begin = std::chrono::steady_clock::now();
    const StepResult result = parts.trainer.step(std::move(batches));
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    if (update < 0) continue;
    state.counters.update = update + 1;
    state.target_tokens += result.loss.target_tokens;
    state.seconds += time.count();
    state.window.add(result, time.count());
  }
  return state;
}

std::string line(std::string name, const std::string& text) {
  name.resize(12, ' ');
  return name + text + "\n";
}

}  // namespace

std::string dry_run(const TrainingOptions& options) {
  TrainingParts parts(options,
                      [&](const ParallelText& text) { return make_vocabulary(text, options); });
  parts.initialise(options);
  parts.plan_batches(options, 0);
  const Corpus& corpus = parts.text.train;
  const ModelConfig& config = parts.model.config();
  Batcher batcher(corpus, parts.batches);
  TrainingState state = probe(parts, batcher, options.optimizer_delay);
  const auto updates = static_cast<double>(state.counters.update);
  const double batches = updates * static_cast<double>(options.optimizer_delay);
  // Had the updates been the run's first ones, this share of it would be done.
  state.position = {0, static_cast<std::int64_t>(batches)};
  const double done = progress(options.after, state, batcher.batches_in_epoch());

  const auto rounded = [](double x) { return with_commas(static_cast<std::int64_t>(x + 0.5)); };
  std::string report;
  report += line("pairs", with_commas(corpus.size()) + " for training, " +
                              with_commas(parts.text.valid.size()) + " for validation");
  report += line("repeated", with_commas(repeated_pairs(corpus)) + " of them are there already");
  report += line("uneven", with_commas(uneven_pairs(corpus)) + " of them have a side more than " +
                               std::to_string(kUnevenRatio) + " times as long as the other");
  report += line("batches", with_commas(batcher.batches_in_epoch()) + " an epoch");
  report += line("vocabulary", with_commas(config.vocab_size) + " pieces");
  report += line("model", millions(parameter_count(config)) + " parameters, " +
                              millions(active_parameter_count(config)) + " active a token");
  report += line("memory", memory_text(parts.memory));
  report +=
      line("speed",
           rounded(static_cast<double>(state.window.source_tokens + state.window.target_tokens) /
                   state.seconds) +
               " words/s, source and target; an update takes " +
               rounded(1e3 * state.seconds / updates) + " ms");
  report += line("end", done > 0 ? "after " + rounded(updates / done) + " updates, in " +
                                       clock_text(state.seconds / done) + " without validation"
                                 : "none: no --after");
  return report;
}

}  // namespace switchyard
