// SPDX-License-Identifier: Apache-2.0
// Corrects a config.json that its tensors contradict, for conversion. Published checkpoints need
// it: google/switch-c-2048 says 12 dense decoder layers and a tied head, but has 15 sparse ones and
// a head of its own.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "src/io/hf_tensors.h"

namespace switchyard {

// Sets in `config`, the contents of a config.json without aliases (resolve_aliases()), each field
// that follows from the names and shapes of the tensors: sizes, counts, which layers are sparse,
// router_bias, the model_type and, if the head is stored as decoder.lm_head.weight, that it is not
// tied. A field whose tensors are missing stays as it is. Returns what was wrong:
// "num_decoder_layers: 12, but the tensors say 15".
std::vector<std::string> correct_config(HfTensors& tensors, nlohmann::json& config);

}  // namespace switchyard
