// SPDX-License-Identifier: Apache-2.0
// The options of switch-train, which bench/train_step has too, so that it takes presets.
#pragma once

#include "src/app/training/options.h"
#include "tools/options.h"

namespace switchyard {

// Adds all options; `training` must outlive `options`.
void add_train_options(Options& options, TrainingOptions& training);

// After options.parse(): checks the options against each other and fills in what follows from them.
// Error(kUsage).
void finish_train_options(Options& options, TrainingOptions& training);

}  // namespace switchyard
