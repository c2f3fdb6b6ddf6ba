// SPDX-License-Identifier: Apache-2.0
// How a training run begins: in an empty folder, over an old run, or where one left off.
#pragma once

#include <optional>

#include "src/app/training_directory.h"
#include "src/app/training_options.h"
#include "src/app/training_state.h"

namespace switchyard {

struct TrainingStart {
  TrainingDirectory directory;
  bool resuming = false;  // there is a checkpoint to go on from

  // Opens the folder; clears it and writes the settings where a run begins anew; from here on the
  // log goes to its train.log too. Error(kUsage) where the folder's run had other settings that
  // matter, or has a model but no checkpoint; otherwise as TrainingDirectory.
  explicit TrainingStart(const TrainingOptions& options);

  // Once a run has been resumed: training_args.yml gets the settings that may change (--after,
  // --threads, ...). If it cannot be written, that is a warning.
  void update_settings(const TrainingOptions& options) const;
};

// What the run would resume from; nothing if it would begin anew. Writes nothing. Error(kUsage) if
// the settings differ.
std::optional<TrainingState> state_to_resume(const TrainingOptions& options);

}  // namespace switchyard
