// SPDX-License-Identifier: Apache-2.0
// Derives from a model's tensors what config.json leaves open.
#pragma once

#include "src/io/hf_config.h"
#include "src/io/hf_tensors.h"

namespace switchyard {

// Returns the config in `file`, completed from the tensors: which layers are sparse, whether
// feed-forwards are gated, whether the head is tied, and whether encoder and decoder have separate
// embeddings. Compares the values of tensors that may be copies of each other. Error(kData) naming
// the tensor if one contradicts config.json.
ModelConfig config_by_tensors(const FileConfig& file, HfTensors& tensors);

}  // namespace switchyard
