// SPDX-License-Identifier: Apache-2.0
// The state of a training run besides its buffers: trainer_state.json of a checkpoint.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "src/app/training/metric_history.h"
#include "src/app/training/options.h"
#include "src/app/training/progress.h"
#include "src/text/batcher.h"
#include "src/train/trainer.h"

namespace switchyard {

struct TrainingState {
  TrainerCounters counters;
  BatchPosition position;             // of the next batch
  std::int64_t mini_batch_words = 0;  // per batch; with --mini-batch-fit, as determined
  std::int64_t epoch_sentences = 0;   // trained on in this epoch
  std::int64_t target_tokens = 0;     // of the whole run
  double seconds = 0;                 // of training; not reproducible
  ProgressWindow window;
  std::map<std::string, MetricHistory> metrics;
  std::int64_t validated_update = -1;  // of the last validation
  std::int64_t metrics_bytes = 0;      // size of metrics.jsonl
  // Identify the inputs of the run.
  std::uint64_t tokenizer_hash = 0, train_hash = 0, valid_hash = 0;
  std::string compute_type;  // "float32", "bfloat16"

  // The epoch of the last batch taken, from 1.
  std::int64_t epoch() const {
    return std::max<std::int64_t>(1, position.epoch + (position.batch > 0 ? 1 : 0));
  }
};

// Uses Hugging Face's field names if there are any (global_step, epoch, best_metric), the rest
// under "switchyard". `first_metric` decides which model is the best.
nlohmann::json state_to_json(const TrainingState& state, const std::string& first_metric);
// Error(kData) if a field is missing or has another type.
TrainingState state_from_json(const nlohmann::json& json);
// Reads the state of a checkpoint. Error(kData) naming it.
TrainingState load_state(const std::filesystem::path& checkpoint);

}  // namespace switchyard
