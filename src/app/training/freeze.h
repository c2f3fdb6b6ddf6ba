// SPDX-License-Identifier: Apache-2.0
// Which parameters --freeze keeps from being updated.
#pragma once

#include <string>
#include <vector>

#include "src/nn/model.h"

namespace switchyard {

// Returns, by Param::index, whether one of the patterns (fnmatch(3), `*` also matches dots) matches
// the parameter's name in Hugging Face's files; empty without patterns. Error(kUsage) if a pattern
// matches nothing or if nothing is left to train.
std::vector<bool> frozen_params(const Model& model, const std::vector<std::string>& patterns);

}  // namespace switchyard
