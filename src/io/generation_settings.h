// SPDX-License-Identifier: Apache-2.0
// Settings of Hugging Face's generate() that this program does not follow.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace switchyard {

// The keys of a generation_config.json that would change what generate() returns, that differ from
// its defaults, and that are not implemented here: "no_repeat_ngram_size, repetition_penalty".
// Empty if there are none.
std::string unimplemented_settings(const nlohmann::json& generation_config);

// The keys of an old config.json that generate() would follow if there were no
// generation_config.json. None of them is read from there.
std::string settings_in_config(const nlohmann::json& config);

}  // namespace switchyard
