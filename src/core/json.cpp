// SPDX-License-Identifier: Apache-2.0
#include "src/core/json.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "src/core/error.h"
#include "src/core/file.h"
#include "src/core/file_content.h"

namespace switchyard {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxDepth = 64;
// Bounds the memory that a file of many tiny values takes: about 100 bytes each.
constexpr std::int64_t kMaxValues = 2'000'000;
constexpr std::size_t kMaxBytes = std::size_t{1} << 28;

// "LINE:COLUMN" of a byte; both count from 1.
std::string position(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, byte);
  const std::size_t line = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
  const std::size_t newline = before.rfind('\n');
  const std::size_t column = newline == std::string_view::npos ? byte + 1 : byte - newline;
  return std::to_string(line + 1) + ":" + std::to_string(column);
}

// The library's message without its prefix and position.
std::string reason(const json::exception& e) {
  const std::string what = e.what();
  std::size_t start = what.find("] ");
  start = start == std::string::npos ? 0 : start + 2;
  const std::size_t column = what.find(", column ", start);
  const std::size_t colon = column == std::string::npos ? column : what.find(": ", column);
  return escaped(what.substr(colon == std::string::npos ? start : colon + 2));
}

[[noreturn]] void wrong_type(const char* key, const json& value, const char* expected) {
  fail(ErrorKind::kData, key, ": ",
       escaped(value.dump(-1, ' ', false, json::error_handler_t::replace)), ", expected ",
       expected);
}

// `path` is named in errors.
json parse_json(std::string_view text, const fs::path& path) {
  const std::string name = escaped(path.native());
  const std::string_view content = recognised_content(text);
  check(content.empty(), ErrorKind::kData, name, ": ", content, ", expected JSON");
  // The library treats a NUL as the end of the input.
  const std::size_t nul = text.find('\0');
  check(nul == std::string_view::npos, ErrorKind::kData, name, ":", position(text, nul),
        ": a NUL byte, expected JSON text");

  std::vector<std::set<std::string>> keys;  // of the open objects, by depth
  std::int64_t values = 0;
  const auto on_event = [&](int depth_of_event, json::parse_event_t event, json& parsed) {
    const auto depth = static_cast<std::size_t>(depth_of_event);
    check(depth < kMaxDepth, ErrorKind::kData, name, ": nested deeper than ", kMaxDepth, " levels");
    check(++values <= kMaxValues, ErrorKind::kData, name, ": more than ", kMaxValues,
          " values and keys");
    if (event == json::parse_event_t::object_start) {
      keys.resize(depth + 1);
      keys.emplace_back();
    } else if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      check(keys[depth].insert(key).second, ErrorKind::kData, name, ": key \"", escaped(key),
            "\" twice in one object");
    }
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), on_event);
  } catch (const json::parse_error& e) {
    fail(ErrorKind::kData, name, ":", position(text, e.byte == 0 ? 0 : e.byte - 1), ": ",
         reason(e));
  } catch (const json::exception& e) {
    fail(ErrorKind::kData, name, ": ", reason(e));
  }
}

}  // namespace

json read_json_object(const fs::path& path) {
  return parse_json_object(read_file(path, kMaxBytes), path);
}

json parse_json_object(std::string_view text, const fs::path& path) {
  json object = parse_json(text, path);
  check(object.is_object(), ErrorKind::kData, escaped(path.native()), ": JSON ", object.type_name(),
        ", expected an object");
  return object;
}

bool get_field(const json& object, const char* key, std::int64_t& value) {
  const auto found = object.find(key);
  if (found == object.end()) return false;
  const bool too_large = found->is_number_unsigned() &&
                         found->get<std::uint64_t>() >
                             static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!found->is_number_integer() || too_large) wrong_type(key, *found, "an integer");
  value = found->get<std::int64_t>();
  return true;
}

bool get_field(const json& object, const char* key, float& value) {
  const auto found = object.find(key);
  if (found == object.end()) return false;
  if (!found->is_number()) wrong_type(key, *found, "a number");
  const double number = found->get<double>();
  if (!(std::abs(number) <= double{std::numeric_limits<float>::max()}))
    wrong_type(key, *found, "a number that float32 can hold");
  value = static_cast<float>(number);
  return true;
}

bool get_field(const json& object, const char* key, bool& value) {
  const auto found = object.find(key);
  if (found == object.end()) return false;
  if (!found->is_boolean()) wrong_type(key, *found, "true or false");
  value = found->get<bool>();
  return true;
}

bool get_field(const json& object, const char* key, std::string& value) {
  const auto found = object.find(key);
  if (found == object.end()) return false;
  if (!found->is_string()) wrong_type(key, *found, "a string");
  value = found->get<std::string>();
  return true;
}

std::string value_text(const json& value) {
  return escaped(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

double shortest_decimal(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  double number = 0;
  std::from_chars(text, end, number);
  return number;
}

}  // namespace switchyard
