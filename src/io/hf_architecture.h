// SPDX-License-Identifier: Apache-2.0
// Derives the architecture from a model's tensors where config.json leaves it open.
#pragma once

#include "src/io/hf_config.h"
#include "src/io/hf_tensors.h"

namespace switchyard {

// Returns the config of config.json with what the tensors decide: which layers are sparse, whether
// feed-forwards are gated, whether the head is tied, and whether the two stacks have embeddings of
// their own. Compares the values of tensors that may be copies of each other. Error(kData) naming
// the tensor if one contradicts config.json.
ModelConfig config_by_tensors(const FileConfig& file, HfTensors& tensors);

}  // namespace switchyard
