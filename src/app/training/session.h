// SPDX-License-Identifier: Apache-2.0
// A whole training run: directory, data, vocabulary, model, updates, validation, checkpoints.
#pragma once

#include <string>

#include "src/app/training/options.h"

namespace switchyard {

// Trains until --after, early stopping or a signal, resuming from the newest undamaged checkpoint
// if the directory has one. `title` ("switch-train 1.0") begins the first line of the log. Returns
// the exit code: 0; 1 if a checkpoint could not be written (training went on); 128 + N after signal
// N (HUP, INT, TERM), once the update is finished and the state saved. Error(kUsage, kData) before
// anything is trained, Error(kDiverged) as train/trainer.
int run_training(const TrainingOptions& options, const std::string& title);

}  // namespace switchyard
