// SPDX-License-Identifier: Apache-2.0
// Whether a run resumes, and what a resumed run may change. Everything else must be unchanged:
// otherwise the result would match neither run.
//   settings         compared by name, except those that do not affect what is computed; --after
//                    may change unless a linear schedule ends there
//   vocabulary, text compared by content, wherever the files are now
//   compute type     must be that of the checkpoint
//   batches          with --mini-batch-fit, of the size that the checkpoint records
//   threads, workers may change, and with them the bits of later updates
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "src/app/training/directory.h"
#include "src/app/training/options.h"
#include "src/app/training/state.h"

namespace switchyard {

// Begins a run in its directory, or checks that it can be resumed: returns true if there is a
// checkpoint to resume from. Otherwise clears the directory and writes the settings. From here on
// the log also goes to train.log. Error(kUsage) if the settings differ in what may not change, or
// if there is a model but no checkpoint.
bool begin_or_resume(const TrainingOptions& options, TrainingDirectory& directory);

// The state from which the run would resume; empty if it would start over. Writes nothing.
// Error(kUsage) if the settings differ; otherwise as newest_checkpoint and load_state.
std::optional<TrainingState> state_to_resume(const TrainingOptions& options);

// Compares inputs by content. Error(kData) if the vocabulary or a text is not the one that `saved`
// was trained with, Error(kUsage) if the compute type is not; both name `directory`.
void check_same_inputs(const std::filesystem::path& directory, const TrainingState& saved,
                       const TrainingState& now);

// Tokens per batch, for BatchOptions::mini_batch_words; `resumed` is the state of the checkpoint or
// of a new run. 0 if --mini-batch-fit has yet to determine it.
std::int64_t batch_words(const TrainingOptions& options, const TrainingState& resumed);

// Once the run has resumed: updates training_args.yml with the settings that changed. Warns if it
// cannot be written.
void update_settings(const TrainingOptions& options, const TrainingDirectory& directory);

// Returns the differences between two YAML maps of settings that a resumed run may not have, as
// "--option: was A, now B". A setting missing from `was` had its value in `defaults`: the run was
// started before the option existed. Error(kData) if one is not a map.
std::vector<std::string> changed_settings(const std::string& was, const std::string& now,
                                          const std::string& defaults);

}  // namespace switchyard
