// SPDX-License-Identifier: Apache-2.0
// Compares a converted model with its source by their logits on a few fixed sequences of ids.
#pragma once

#include <filesystem>
#include <string>

#include "src/io/hf_files.h"

namespace switchyard {

// Loads both models in float32, one after the other, and returns a line for people about the
// largest difference. Error(kData) if the logits are not identical although `exact` is set, or if
// the root mean square of the differences exceeds 1/8 of that of the logits: values that were
// rounded to bfloat16 give a tenth of that, other weights more than 1.
std::string compare_logits(Context& ctx, ModelFiles source, const std::filesystem::path& converted,
                           bool exact);

}  // namespace switchyard
