// SPDX-License-Identifier: Apache-2.0
#include "src/text/added_token_files.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <limits>
#include <set>

#include "src/core/error.h"
#include "src/core/file.h"
#include "src/core/json.h"
#include "src/text/sentencepiece_model.h"

namespace switchyard {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20;

template <class... Parts>
void require(bool ok, const Parts&... parts) {
  check(ok, ErrorKind::kData, parts...);
}

std::int32_t checked_id(std::int64_t id) {
  require(id >= 0 && id < std::numeric_limits<std::int32_t>::max(), "id ", id,
          ", expected one from 0 to 2147483646");
  return static_cast<std::int32_t>(id);
}

AddedToken read_token(const json& object, std::int64_t id) {
  require(object.is_object(), object.type_name(), ", expected an object");
  AddedToken token;
  token.id = checked_id(id);
  require(get_field(object, "content", token.content), "no content, expected the token's text");
  bool single_word = false;
  get_field(object, "single_word", single_word);
  require(!single_word, escaped(token.content), ": single_word: true, expected false");
  get_field(object, "lstrip", token.lstrip);
  get_field(object, "rstrip", token.rstrip);
  get_field(object, "special", token.special);
  token.normalized = !token.special;
  get_field(object, "normalized", token.normalized);
  return token;
}

// Sorts by id.
void check_tokens(std::vector<AddedToken>& tokens) {
  std::set<std::string_view> contents;
  std::set<std::int32_t> ids;
  for (const AddedToken& token : tokens) {
    const std::string shown = escaped(token.content);
    require(!token.content.empty(), "the token with id ", token.id, " is empty");
    require(token.content.size() <= kMaxPieceBytes, shown, " has ", token.content.size(),
            " bytes, expected at most ", kMaxPieceBytes);
    require(contents.insert(token.content).second, shown, " occurs twice");
    require(ids.insert(token.id).second, "id ", token.id, " occurs twice");
  }
  std::sort(tokens.begin(), tokens.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
}

// The member added_tokens_decoder: tokens by id.
std::vector<AddedToken> read_decoder(const json& decoder) {
  require(decoder.is_object(), decoder.type_name(), ", expected an object");
  std::vector<AddedToken> tokens;
  for (const auto& [key, value] : decoder.items()) {
    std::int64_t id = -1;
    const char* end = key.data() + key.size();
    const auto parsed = std::from_chars(key.data(), end, id);
    require(parsed.ec == std::errc() && parsed.ptr == end, "\"", escaped(key),
            "\", expected an id");
    tokens.push_back(read_token(value, id));
  }
  check_tokens(tokens);
  return tokens;
}

// A token's text where it is a string, or an object with its content.
std::string content_of(const json& token) {
  if (token.is_string()) return token.get<std::string>();
  std::string content;
  require(token.is_object() && get_field(token, "content", content), token.type_name(),
          ", expected a token");
  return content;
}

// Adds the tokens that a file names as special: eos_token and so on.
void read_special(const json& file, std::set<std::string>& special) {
  for (const auto& [key, value] : file.items()) {
    if (value.is_null()) continue;
    with_context(escaped(key), [&, &key = key, &value = value] {
      if (key == "additional_special_tokens" || key == "extra_special_tokens") {
        if (value.is_array() || value.is_object())
          for (const json& token : value) special.insert(content_of(token));
      } else if (key.ends_with("_token") && !value.is_boolean()) {
        special.insert(content_of(value));
      }
    });
  }
}

// The members of added_tokens.json: ids by text.
std::vector<AddedToken> read_ids(const json& file, const std::set<std::string>& special) {
  std::vector<AddedToken> tokens;
  for (const auto& [content, id] : file.items()) {
    require(id.is_number_integer(), escaped(content), ": ", id.type_name(), ", expected an id");
    AddedToken token{content, checked_id(id.get<std::int64_t>())};
    token.special = special.contains(content);
    token.normalized = !token.special;
    tokens.push_back(std::move(token));
  }
  check_tokens(tokens);
  return tokens;
}

}  // namespace

std::vector<AddedToken> read_added_tokens(const json& list) {
  require(list.is_array(), list.type_name(), ", expected an array");
  std::vector<AddedToken> tokens;
  for (const json& object : list) {
    std::int64_t id = -1;
    require(object.is_object() && get_field(object, "id", id), "a token without id");
    tokens.push_back(read_token(object, id));
  }
  check_tokens(tokens);
  return tokens;
}

AddedTokenFiles read_added_token_files(const fs::path& directory) {
  AddedTokenFiles result;
  const auto read = [&](const char* name) {
    const fs::path path = directory / name;
    std::error_code error;  // ignored: reading the file reports it
    if (fs::symlink_status(path, error).type() == fs::file_type::not_found) return json::object();
    result.files.emplace_back(name, read_file(path, kMaxFileBytes));
    return parse_json_object(result.files.back().second, path);
  };
  const json config = read("tokenizer_config.json"), map = read("special_tokens_map.json"),
             ids = read("added_tokens.json");

  std::set<std::string> special;
  with_context(escaped((directory / "tokenizer_config.json").native()), [&] {
    get_field(config, "extra_ids", result.extra_ids);
    require(result.extra_ids >= 0 && result.extra_ids <= 1'000'000, "extra_ids: ", result.extra_ids,
            ", expected at most 1000000");
    const auto legacy = config.find("legacy");
    if (legacy != config.end() && !legacy->is_null()) get_field(config, "legacy", result.legacy);
    const auto pad = config.find("pad_token");
    if (pad != config.end() && !pad->is_null())
      with_context("pad_token", [&] { result.pad_token = content_of(*pad); });
    read_special(config, special);
    const auto decoder = config.find("added_tokens_decoder");
    if (decoder == config.end()) return;
    result.complete = true;
    with_context("added_tokens_decoder", [&] { result.added = read_decoder(*decoder); });
  });
  if (result.complete) return result;
  with_context(escaped((directory / "special_tokens_map.json").native()),
               [&] { read_special(map, special); });
  with_context(escaped((directory / "added_tokens.json").native()),
               [&] { result.added = read_ids(ids, special); });
  return result;
}

std::string tokenizer_config(std::int64_t extra_ids) {
  return "{\n  \"eos_token\": \"</s>\",\n  \"extra_ids\": " + std::to_string(extra_ids) +
         ",\n  \"pad_token\": \"<pad>\",\n  \"tokenizer_class\": \"T5Tokenizer\",\n"
         "  \"unk_token\": \"<unk>\"\n}\n";
}

void add_to_hash(const std::vector<AddedToken>& tokens, Fnv1a& hash) {
  for (const AddedToken& token : tokens) {
    hash.add(token.content);
    hash.add(static_cast<std::uint64_t>(token.id));
  }
}

}  // namespace switchyard
