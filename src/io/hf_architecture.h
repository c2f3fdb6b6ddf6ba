// SPDX-License-Identifier: Apache-2.0
// What the tensors of a model say of its architecture, which config.json may leave open.
#pragma once

#include "src/io/hf_config.h"
#include "src/io/hf_tensors.h"

namespace switchyard {

// The config as the tensors have it: which layers are sparse, whether feed-forwards are gated,
// whether the head is tied and the embeddings of the two stacks are separate. Reads names and
// shapes, and the values of tensors that may be copies of each other. Error(kData) naming a tensor
// that contradicts config.json.
ModelConfig config_by_tensors(const FileConfig& file, HfTensors& tensors);

}  // namespace switchyard
