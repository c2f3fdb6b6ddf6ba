// SPDX-License-Identifier: Apache-2.0
// --average-last and --average-best: DIR/average, the mean of some of a run's checkpoints.
#pragma once

#include <string>

#include "src/app/training_directory.h"
#include "src/app/training_options.h"

namespace switchyard {

// Writes DIR/average as the options ask, or nothing if they do not. A warning says so if fewer
// checkpoints are there. `metric` decides which ones are the best. Error as average_checkpoints.
void write_average(const TrainingDirectory& directory, const TrainingOptions& options,
                   const std::string& metric);

}  // namespace switchyard
