// SPDX-License-Identifier: Apache-2.0
// Strict reading of JSON files: no comments, no duplicate keys, limited depth and size.
// Errors are Error(kData): a syntax error gives FILE:LINE:COLUMN, a bad value the name of its
// field.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace switchyard {

// Reads a file that holds one JSON object.
nlohmann::json read_json_object(const std::filesystem::path& path);

// The same for text that is not a whole file; `path` is named in errors.
nlohmann::json parse_json_object(std::string_view text, const std::filesystem::path& path);

// If `object` has a member `key`, assigns it to `value` and returns true. Error(kData) if it has
// another type; the message names the key, the value found and the type expected. A number with a
// fraction is not an integer, and a number outside float32's range is not a float.
bool get_field(const nlohmann::json& object, const char* key, std::int64_t& value);
bool get_field(const nlohmann::json& object, const char* key, float& value);
bool get_field(const nlohmann::json& object, const char* key, bool& value);
bool get_field(const nlohmann::json& object, const char* key, std::string& value);

// The value as JSON, truncated and safe to print.
std::string value_text(const nlohmann::json& value);

// Returns the double whose shortest decimal form is that of the float: 0.1 for 0.1f, not
// 0.10000000149011612.
double shortest_decimal(float value);

}  // namespace switchyard
