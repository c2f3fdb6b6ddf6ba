// SPDX-License-Identifier: Apache-2.0
// switch-train --dry-run: what a run would do, without its folder: counts of the text, parameters,
// memory, speed, and when it would end.
#pragma once

#include <string>

#include "src/app/training/options.h"

namespace switchyard {

// The report, as lines of "name  text". Trains for a few seconds to know the speed. Error as
// run_training before its first update.
std::string dry_run(const TrainingOptions& options);

}  // namespace switchyard
