// SPDX-License-Identifier: Apache-2.0
// Reports settings of Hugging Face's generate() that this program ignores.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace switchyard {

// Lists the keys of a generation_config.json that change what generate() returns, differ from its
// defaults, and are not implemented here: "no_repeat_ngram_size, repetition_penalty". Empty if
// there are none.
std::string unimplemented_settings(const nlohmann::json& generation_config);

// Lists the keys of an old config.json that generate() would use in the absence of a
// generation_config.json. This program reads none of them from config.json.
std::string settings_in_config(const nlohmann::json& config);
// The same settings with their values.
nlohmann::json settings_of_config(const nlohmann::json& config);

}  // namespace switchyard
