// SPDX-License-Identifier: Apache-2.0
// switch-train --dry-run: reports what a run would do without writing anything: size of the text,
// parameters, memory, speed, and when it would end.
#pragma once

#include <string>

#include "src/app/training/options.h"

namespace switchyard {

// The report, as lines of "name  text". Trains for a few seconds to measure the speed. Error as
// run_training before its first update.
std::string dry_run(const TrainingOptions& options);

}  // namespace switchyard
