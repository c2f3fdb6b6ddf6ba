// SPDX-License-Identifier: Apache-2.0
// --average-last and --average-best: writes the mean of some of a run's checkpoints to DIR/average.
#pragma once

#include <string>

#include "src/app/training/directory.h"
#include "src/app/training/options.h"

namespace switchyard {

// Writes DIR/average if the options ask for it; `metric` decides which checkpoints are the best.
// Warns if there are fewer than asked for. Error(kRuntime) if --average-best finds no validated
// checkpoint; other errors as average_checkpoints.
void write_average(const TrainingDirectory& directory, const TrainingOptions& options,
                   const std::string& metric);

}  // namespace switchyard
