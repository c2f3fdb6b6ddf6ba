// SPDX-License-Identifier: Apache-2.0
// Makes Hugging Face's config.json for a T5X checkpoint, which has none. Its sizes follow from the
// tensors. What does not, above all the activation function, is in the gin file that T5X writes
// next to its checkpoints (config.gin).
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "src/io/tensor_source.h"

namespace switchyard {

// Returns the settings in a gin file that a config.json can hold, by Hugging Face's names.
// Error(kData) naming the file, and the line or the setting, if it is malformed, does not say which
// activation function feed-forwards have, or asks for one, or for a way of routing, that Switchyard
// does not have. Logs a warning that names included files, which are not read.
nlohmann::json config_from_gin(const std::filesystem::path& path);

// Returns the contents of a config.json: `settings`, from config_from_gin() or another config.json,
// with everything that `checkpoint`, from open_t5x(), decides. A setting that contradicts it is
// corrected, with a warning that names `path`, where the settings are from. Error(kData) naming the
// tensor if one is missing or its shape cannot be right.
nlohmann::json t5x_config(nlohmann::json settings, const std::filesystem::path& path,
                          const TensorSource& checkpoint);

}  // namespace switchyard
