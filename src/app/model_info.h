// SPDX-License-Identifier: Apache-2.0
// Describes a model directory for people.
#pragma once

#include <string>

#include "src/io/hf_files.h"

namespace switchyard {

// Several lines: architecture, which layers are sparse, parameters in all and active per token,
// dtypes, files with their sizes.
std::string model_info(const ModelFiles& files);

}  // namespace switchyard
