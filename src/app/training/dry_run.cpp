// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/dry_run.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "src/app/figures.h"
#include "src/app/training/limits.h"
#include "src/app/training/pretrained.h"
#include "src/app/training/resume.h"
#include "src/app/training/setup.h"
#include "src/app/training/state.h"
#include "src/core/counted.h"

namespace switchyard {

namespace {

constexpr int kWarmUpUpdates = 2;
constexpr double kProbeSeconds = 5;
constexpr std::int64_t kUnevenRatio = 3;

// Counts pairs that are copies of an earlier one.
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

// Trains for kProbeSeconds after a warm-up and returns the resulting state, counted from 0.
TrainingState probe(TrainingParts& parts, Batcher& batcher, std::int64_t delay) {
  TrainingState state;
  for (int update = -kWarmUpUpdates; state.seconds < kProbeSeconds; ++update) {
    std::vector<HostBatch> batches;
    for (std::int64_t i = 0; i < delay; ++i) batches.push_back(batcher.next());
    const auto begin = std::chrono::steady_clock::now();
    const StepResult result = parts.step(std::move(batches));
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

std::string dry_run(const TrainingOptions& given) {
  const std::optional<TrainingState> resumed = state_to_resume(given);
  const TrainingOptions options = start_options(given, resumed ? Start::kResumed : Start::kNew);
  TrainingParts parts(options, [&](const ParallelText& text) {
    return resumed && options.vocab.empty() ? Tokenizer::load_directory(options.directory)
                                            : make_vocabulary(text, options);
  });
  parts.initialise(options);
  const TrainingState begin = resumed.value_or(TrainingState{});
  parts.plan_batches(options, batch_words(options, begin));
  const Corpus& corpus = parts.text.train;
  const ModelConfig& config = parts.model.config();
  Batcher batcher(corpus, parts.batches);
  TrainingState state = probe(parts, batcher, options.optimizer_delay);
  const auto updates = static_cast<double>(state.counters.update);
  const double batches = updates * static_cast<double>(options.optimizer_delay);
  // As if these updates were the first of the run.
  state.position = {0, static_cast<std::int64_t>(batches)};
  const double left = updates_to_go(options.after, begin, state, batcher.batches_in_epoch());

  const auto rounded = [](double x) { return with_commas(static_cast<std::int64_t>(x + 0.5)); };
  std::string report;
  report += line("pairs", with_commas(corpus.size()) + " for training, " +
                              with_commas(parts.text.valid.size()) + " for validation");
  report += line("repeated",
                 with_commas(repeated_pairs(corpus)) + " of them are copies of an earlier pair");
  report += line("uneven", with_commas(uneven_pairs(corpus)) + " of them have a side more than " +
                               std::to_string(kUnevenRatio) + " times as long as the other");
  report += line("batches", with_commas(batcher.batches_in_epoch()) + " per epoch");
  report += line("vocabulary", counted(config.vocab_size, "piece"));
  report += line("model", millions(parameter_count(config)) + " parameters, " +
                              millions(active_parameter_count(config)) + " active per token");
  report += line("memory", memory_text(parts.memory));
  report +=
      line("speed",
           rounded(static_cast<double>(state.window.source_tokens + state.window.target_tokens) /
                   state.seconds) +
               " words/s, source and target; an update takes " +
               rounded(1e3 * state.seconds / updates) + " ms");
  if (resumed)
    report += line("done", counted(begin.counters.update, "update") + ", " +
                               counted(begin.position.epoch, "epoch") + ", " +
                               clock_text(begin.seconds) + " of training");
  if (left < 0)
    report += line("end", "none: no --after");
  else if (left == 0)
    report += line(
        "end", "nothing to do: " + limit_passed(options.after, begin, batcher.batches_in_epoch(),
                                                options.trainer.schedule));
  else
    report += line("end", "after " +
                              counted(std::max<std::int64_t>(1, std::llround(left)),
                                      resumed ? "more update" : "update") +
                              ", in " + clock_text(state.seconds / updates * left) +
                              " without validation");
  return report;
}

}  // namespace switchyard
