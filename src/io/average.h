// SPDX-License-Identifier: Apache-2.0
// The mean of several checkpoints of one run, as a model folder: often a little better than the
// best of them (arXiv 1706.03762, 6.1).
#pragma once

#include <filesystem>
#include <vector>

namespace switchyard {

// Writes a model folder whose parameters are the arithmetic means of those of `checkpoints`, summed
// in double precision in the order given; all other files are the last one's. Only one tensor at a
// time is in memory. The folder appears under its name once it is durable, and replaces one of that
// name. Error(kData) if a checkpoint is not whole or is of another model.
void average_checkpoints(const std::vector<std::filesystem::path>& checkpoints,
                         const std::filesystem::path& folder);

}  // namespace switchyard
