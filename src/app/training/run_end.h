// SPDX-License-Identifier: Apache-2.0
// Why a training run has ended, for the log, and how far away its end is.
#pragma once

#include <cstdint>
#include <string>

#include "src/app/training/options.h"
#include "src/app/training/state.h"

namespace switchyard {

// "300 updates reached (--after)": the limit that ends a run whose progress() is 1 or more.
std::string reached_limit(const StopRule& rule, const TrainingState& state,
                          std::int64_t batches_in_epoch);

// For a run that was already past its end when it was resumed: "update 300 is already past --after
// 100u. --after counts from the start of the run; use --after 400u for 100 more updates". With a
// linear schedule, which cannot be extended, it says so instead.
std::string limit_passed(const StopRule& rule, const TrainingState& state,
                         std::int64_t batches_in_epoch, const Schedule& schedule);

// Estimates how many updates are left of a run at `state` from `steps`, the state of a run that has
// made a few updates from 0. Negative if there is no limit, 0 if the end has been reached.
double updates_to_go(const StopRule& rule, const TrainingState& state, const TrainingState& steps,
                     std::int64_t batches_in_epoch);

}  // namespace switchyard
