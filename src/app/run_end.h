// SPDX-License-Identifier: Apache-2.0
// How a training run ends, in words, and how far away that end is.
#pragma once

#include <cstdint>
#include <string>

#include "src/app/training_options.h"
#include "src/app/training_state.h"

namespace switchyard {

// "300 updates reached (--after)": the limit that ends a run whose progress() is 1 or more.
std::string reached_limit(const StopRule& rule, const TrainingState& state,
                          std::int64_t batches_in_epoch);

// Of a run that was past its end when it was resumed: "update 300 is already past --after 100u.
// --after counts from the start of the run; use --after 400u for 100 more updates". A linear
// schedule cannot be made longer.
std::string limit_passed(const StopRule& rule, const TrainingState& state,
                         std::int64_t batches_in_epoch, const Schedule& schedule);

// The updates until a run at `state` ends, if `steps` is the state of a run from 0 that made a few.
// Negative if there is no limit, 0 if the end has been reached.
double updates_to_go(const StopRule& rule, const TrainingState& state, const TrainingState& steps,
                     std::int64_t batches_in_epoch);

}  // namespace switchyard
