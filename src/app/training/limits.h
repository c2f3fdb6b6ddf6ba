// SPDX-License-Identifier: Apache-2.0
// The progress of a training run: when it ends, why it ended, and what is due on the way.
#pragma once

#include <cstdint>
#include <string>

#include "src/app/training/options.h"
#include "src/app/training/state.h"

namespace switchyard {

// Returns the fraction of the run that is done; 1 or more: it has ended; 0: there is no limit.
double progress(const StopRule& rule, const TrainingState& state, std::int64_t batches_in_epoch);

// Returns true if something done at this frequency is due between two points of the run.
bool is_due(const Frequency& frequency, const TrainingState& before, const TrainingState& after);

// The limit that ended a run, whose progress() is 1 or more: "300 updates reached (--after)".
std::string reached_limit(const StopRule& rule, const TrainingState& state,
                          std::int64_t batches_in_epoch);

// For a run that was already past its end when it was resumed: "update 300 is already past --after
// 100u. --after counts from the start of the run; use --after 400u for 100 more updates". With a
// linear schedule, which cannot be extended, it says so instead.
std::string limit_passed(const StopRule& rule, const TrainingState& state,
                         std::int64_t batches_in_epoch, const Schedule& schedule);

// Estimates how many updates are left for a run at `state`, given `steps`, the state after a few
// updates from 0. Negative if there is no limit, 0 if the run has ended.
double updates_to_go(const StopRule& rule, const TrainingState& state, const TrainingState& steps,
                     std::int64_t batches_in_epoch);

}  // namespace switchyard
