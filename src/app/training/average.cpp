// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/average.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/app/training/metric_history.h"
#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/core/log.h"
#include "src/io/average.h"

namespace switchyard {

namespace {

namespace fs = std::filesystem;

// The metric's value in each validation of metrics.jsonl, by update.
std::map<std::int64_t, MetricValue> validations(const fs::path& metrics,
                                                const std::string& metric) {
  std::map<std::int64_t, MetricValue> found;
  std::ifstream file(metrics);
  for (std::string line; std::getline(file, line);) {
    const nlohmann::json record = nlohmann::json::parse(line, nullptr, false);
    const auto number = [&](const std::string& name) {
      const auto field = record.find(name);
      return field != record.end() && field->is_number() ? field->get<double>() : NAN;
    };
    if (!record.is_object() || record.value("event", nlohmann::json()) != "valid" ||
        std::isnan(number("update")) || std::isnan(number(metric)))
      continue;
    MetricValue& value = found[static_cast<std::int64_t>(number("update"))];
    value.value = number(metric);
    if (!std::isnan(number("ce-mean-words"))) value.ce_mean_words = number("ce-mean-words");
  }
  return found;
}

// The updates of the `count` best validated checkpoints, oldest first.
std::vector<std::int64_t> best_of(std::vector<std::int64_t> updates, std::size_t count,
                                  const std::map<std::int64_t, MetricValue>& values,
                                  const std::string& metric) {
  updates.erase(std::remove_if(updates.begin(), updates.end(),
                               [&](std::int64_t update) { return values.count(update) == 0; }),
                updates.end());
  std::sort(updates.begin(), updates.end(), [&](std::int64_t a, std::int64_t b) {
    if (better(metric, values.at(a), values.at(b))) return true;
    return !better(metric, values.at(b), values.at(a)) && a > b;  // newer first if equal
  });
  updates.resize(std::min(count, updates.size()));
  std::sort(updates.begin(), updates.end());
  return updates;
}

}  // namespace

void write_average(const TrainingDirectory& directory, const TrainingOptions& options,
                   const std::string& metric) {
  const bool best = options.average_best > 0;
  const std::int64_t asked = best ? options.average_best : options.average_last;
  if (asked == 0) return;
  const auto count = static_cast<std::size_t>(asked);
  std::vector<std::int64_t> updates = directory.checkpoints();
  const std::int64_t kept = std::ssize(updates);
  if (best) {
    updates = best_of(std::move(updates), count,
                      validations(directory.file("metrics.jsonl"), metric), metric);
  } else if (updates.size() > count) {
    updates.erase(updates.begin(), updates.end() - static_cast<std::ptrdiff_t>(count));
  }
  const std::string option = best ? "--average-best " : "--average-last ";
  check(!updates.empty(), ErrorKind::kRuntime, option, asked,
        ": none of the checkpoints has been validated");
  const std::int64_t found = std::ssize(updates);
  if (found < asked)
    log_warning(option + std::to_string(asked) +
                (best ? ": only " + std::to_string(found) + " of " + counted(kept, "checkpoint") +
                            " kept (--keep-last) " + (found == 1 ? "has" : "have") +
                            " been validated"
                      : ": the run has only " + counted(found, "checkpoint")));
  std::vector<fs::path> checkpoints;
  std::string names;
  for (const std::int64_t update : updates) {
    checkpoints.push_back(directory.checkpoint(update));
    names += (names.empty() ? "" : ", ") + checkpoints.back().filename().string();
  }
  const fs::path average = directory.file(kAverageDirectory);
  average_checkpoints(checkpoints, average);
  log_info(escaped(average.native()) + ": the average of " + names);
}

}  // namespace switchyard
