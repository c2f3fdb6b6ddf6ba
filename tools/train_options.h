// SPDX-License-Identifier: Apache-2.0
// The options of switch-train, shared with bench/train_step so that it takes presets.
#pragma once

#include "src/app/training/options.h"
#include "tools/options.h"

namespace switchyard {

// Adds all options; `training` must outlive `options`.
void add_train_options(Options& options, TrainingOptions& training);

// Call after options.parse(): checks the options against each other and derives the rest.
// Error(kUsage).
void finish_train_options(Options& options, TrainingOptions& training);

}  // namespace switchyard
