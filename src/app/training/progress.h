// SPDX-License-Identifier: Apache-2.0
// How a training run reports its progress: lines in Marian's format, the status line on a terminal,
// and the records of metrics.jsonl.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "src/train/trainer.h"

namespace switchyard {

// Sums over the updates since the last progress line. Kept in checkpoints, so that a resumed run
// prints the same lines as an unbroken one.
struct ProgressWindow {
  std::int64_t updates = 0, sentences = 0, source_tokens = 0, target_tokens = 0;
  double loss = 0;                       // over target tokens, label smoothing included
  std::vector<double> aux_loss, z_loss;  // by sparse layer, sums over updates
  std::vector<std::vector<std::int64_t>> expert_count;  // tokens routed to each expert
  std::vector<std::int64_t> dropped;
  double rate = 0, grad_norm = 0;  // of the last update
  double seconds = 0;              // not reproducible

  void add(const StepResult& step, double step_seconds);
  double drop_rate() const;  // of all tokens at all sparse layers
  // Tokens of the busiest expert relative to the mean, averaged over layers; 1: even, 0: dense.
  double imbalance() const;
  double cost() const { return loss / static_cast<double>(target_tokens); }
};
void to_json(nlohmann::json& json, const ProgressWindow& window);
void from_json(const nlohmann::json& json, ProgressWindow& window);

// How far the run is, for lines and records.
struct ProgressPoint {
  std::int64_t epoch = 0;  // from 1
  std::int64_t update = 0;
  std::int64_t sentences = 0;      // of this epoch
  std::int64_t target_tokens = 0;  // of the whole run
  std::int64_t skipped = 0;        // steps whose gradient was 0 or not finite
  double eta_seconds = -1;         // < 0: unknown
};

// "Ep. 1 : Up. 100 : Sen. 19,200 : Cost 5.9127 : Time 88.7s : 2841 words/s : gNorm 1.2204 : ..."
std::string progress_line(const ProgressPoint& point, const ProgressWindow& window);
// "[#####-----] 48%  Up. 100  Cost 5.9127  2841 words/s  ETA 00:41:10", `done` from 0 to 1.
std::string status_line(const ProgressPoint& point, const ProgressWindow& window, double done);

// The "train" record of metrics.jsonl.
nlohmann::json train_record(const ProgressPoint& point, const ProgressWindow& window);

}  // namespace switchyard
