// SPDX-License-Identifier: Apache-2.0
// Averages several checkpoints of a run into one model, which is often slightly better than the
// best of them (arXiv 1706.03762, section 6.1).
#pragma once

#include <filesystem>
#include <vector>

namespace switchyard {

// Writes a model directory whose parameters are the means over `checkpoints`, summed in double
// precision in the given order; all other files are copied from the last checkpoint. Holds one
// tensor at a time in memory. Creates or replaces `directory` atomically and durably. Error(kData)
// if a checkpoint is damaged or belongs to another model.
void average_checkpoints(const std::vector<std::filesystem::path>& checkpoints,
                         const std::filesystem::path& directory);

}  // namespace switchyard
