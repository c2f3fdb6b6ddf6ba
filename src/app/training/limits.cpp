// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/limits.h"

#include <algorithm>
#include <vector>

#include "src/core/counted.h"

namespace switchyard {

double progress(const StopRule& rule, const TrainingState& state, std::int64_t batches_in_epoch) {
  const auto share = [](double done, std::int64_t limit) {
    return limit > 0 ? done / static_cast<double>(limit) : 0.0;
  };
  const double epochs = static_cast<double>(state.position.epoch) +
                        static_cast<double>(state.position.batch) /
                            static_cast<double>(std::max<std::int64_t>(1, batches_in_epoch));
  return std::max({share(epochs, rule.epochs),
                   share(static_cast<double>(state.counters.update), rule.updates),
                   share(static_cast<double>(state.target_tokens), rule.target_tokens),
                   share(state.seconds, rule.seconds)});
}

bool is_due(const Frequency& frequency, const TrainingState& before, const TrainingState& after) {
  if (frequency.unit == Frequency::kEpochs)
    return after.position.epoch / frequency.count > before.position.epoch / frequency.count;
  return after.counters.update / frequency.count > before.counters.update / frequency.count;
}

namespace {

// One limit of a StopRule.
struct Limit {
  std::int64_t count;
  std::int64_t done;  // so far
  const char* unit;   // as --after spells it
  const char *noun, *nouns;
  StopRule alone;
};

std::vector<Limit> limits(const StopRule& rule, const TrainingState& state) {
  std::vector<Limit> all;
  if (rule.epochs > 0)
    all.push_back(
        {rule.epochs, state.position.epoch, "e", "epoch", "epochs", {.epochs = rule.epochs}});
  if (rule.updates > 0)
    all.push_back(
        {rule.updates, state.counters.update, "u", "update", "updates", {.updates = rule.updates}});
  if (rule.target_tokens > 0)
    all.push_back({rule.target_tokens,
                   state.target_tokens,
                   "t",
                   "target token",
                   "target tokens",
                   {.target_tokens = rule.target_tokens}});
  if (rule.seconds > 0)
    all.push_back({rule.seconds,
                   static_cast<std::int64_t>(state.seconds),
                   "s",
                   "second of training",
                   "seconds of training",
                   {.seconds = rule.seconds}});
  return all;
}

Limit reached(const StopRule& rule, const TrainingState& state, std::int64_t batches_in_epoch) {
  const std::vector<Limit> all = limits(rule, state);
  return *std::max_element(all.begin(), all.end(), [&](const Limit& a, const Limit& b) {
    return progress(a.alone, state, batches_in_epoch) < progress(b.alone, state, batches_in_epoch);
  });
}

}  // namespace

std::string reached_limit(const StopRule& rule, const TrainingState& state,
                          std::int64_t batches_in_epoch) {
  const Limit limit = reached(rule, state, batches_in_epoch);
  return counted(limit.count, limit.noun, limit.nouns) + " reached (--after)";
}

std::string limit_passed(const StopRule& rule, const TrainingState& state,
                         std::int64_t batches_in_epoch, const Schedule& schedule) {
  const Limit limit = reached(rule, state, batches_in_epoch);
  // Epochs and updates are numbered; tokens and seconds are amounts.
  const bool numbered = limit.unit[0] == 'e' || limit.unit[0] == 'u';
  const std::string where =
      numbered ? std::string(limit.noun) + " " + with_commas(limit.done) + " is already "
               : counted(limit.done, limit.noun, limit.nouns) +
                     (limit.done == 1 ? " is already " : " are already ");
  const auto spelled = [&](std::int64_t count) {
    return "--after " + std::to_string(count) + limit.unit;
  };
  const std::string passed =
      where + (limit.done > limit.count ? "past " : "at ") + spelled(limit.count);
  if (schedule.decay == Schedule::kLinear) return passed + ", where the linear schedule ends";
  return passed + ". --after counts from the start of the run; use " +
         spelled(limit.done + limit.count) + " for " + with_commas(limit.count) + " more " +
         (limit.count == 1 ? limit.noun : limit.nouns);
}

double updates_to_go(const StopRule& rule, const TrainingState& state, const TrainingState& steps,
                     std::int64_t batches_in_epoch) {
  double least = -1;
  for (const Limit& limit : limits(rule, state)) {
    const double left = 1 - progress(limit.alone, state, batches_in_epoch);
    const double by_steps = progress(limit.alone, steps, batches_in_epoch);
    const double updates =
        std::max(0.0, left) / by_steps * static_cast<double>(steps.counters.update);
    if (least < 0 || updates < least) least = updates;
  }
  return least;
}

}  // namespace switchyard
