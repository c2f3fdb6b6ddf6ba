// SPDX-License-Identifier: Apache-2.0
// JSON files read strictly: no comments, no duplicate keys, a limit on depth. A syntax error is
// Error(kData) with FILE:LINE:COLUMN, a bad value one that names the field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

namespace switchyard {

// The object in a file. Error(kData) where it holds something else.
nlohmann::json read_json_object(const std::filesystem::path& path);

// Replaces `value` by the member `key` of an object, where there is one; returns whether there was.
// Error(kData) naming the key, what it holds and the type expected. A number with a fraction is no
// integer, a number beyond f32 no float.
bool get_field(const nlohmann::json& object, const char* key, std::int64_t& value);
bool get_field(const nlohmann::json& object, const char* key, float& value);
bool get_field(const nlohmann::json& object, const char* key, bool& value);
bool get_field(const nlohmann::json& object, const char* key, std::string& value);

// A float as the number whose decimal form is the shortest that means it: 0.1, not
// 0.10000000149011612.
double shortest_decimal(float value);

}  // namespace switchyard
