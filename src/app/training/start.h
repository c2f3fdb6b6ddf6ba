// SPDX-License-Identifier: Apache-2.0
// How a training run begins: in an empty folder, over an old run, or where one left off.
#pragma once

#include <optional>

#include "src/app/training/directory.h"
#include "src/app/training/options.h"
#include "src/app/training/state.h"

namespace switchyard {

struct TrainingStart {
  TrainingDirectory directory;
  bool resuming = false;  // there is a checkpoint to go on from

  // Opens the folder; clears it and writes the settings where a run begins anew; from here on the
  // log goes to its train.log too. Error(kUsage) where the folder's run had other settings that
  // matter, or has a model but no checkpoint; otherwise as TrainingDirectory.
  explicit TrainingStart(const TrainingOptions& options);

  // Called once a run has been resumed: updates training_args.yml with the settings that may change
  // (--after, --threads, ...). Warns if it cannot be written.
  void update_settings(const TrainingOptions& options) const;
};

// The state from which the run would resume; empty if it would start over. Writes nothing.
// Error(kUsage) if the settings differ; otherwise as newest_checkpoint and load_state.
std::optional<TrainingState> state_to_resume(const TrainingOptions& options);

}  // namespace switchyard
