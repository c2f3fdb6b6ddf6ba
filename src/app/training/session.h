// SPDX-License-Identifier: Apache-2.0
// A whole training run: folder, data, vocabulary, model, updates, validation, checkpoints, resume.
#pragma once

#include <string>

#include "src/app/training/options.h"

namespace switchyard {

// Trains as `options` say until --after, early stopping or a signal, and goes on from the newest
// whole checkpoint where the folder has one. `title` ("switch-train 1.0") begins the first line.
// Returns the exit code: 0; 1 where a checkpoint could not be written (training went on); 128 + N
// after signal N (HUP, INT, TERM): the update is finished and the state saved first.
// Error(kUsage, kData) before anything is trained, Error(kDiverged) as train/trainer.
int run_training(const TrainingOptions& options, const std::string& title);

}  // namespace switchyard
