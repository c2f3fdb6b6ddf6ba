// SPDX-License-Identifier: Apache-2.0
#include "src/text/tokenizer_json.h"

#include <cmath>
#include <initializer_list>
#include <limits>
#include <unordered_set>

#include "src/core/error.h"
#include "src/core/json.h"
#include "src/text/added_token_files.h"
#include "src/text/base64.h"
#include "src/text/sentencepiece_model.h"

namespace switchyard {

namespace {

using nlohmann::json;

template <class... Parts>
void require(bool ok, const Parts&... parts) {
  check(ok, ErrorKind::kData, parts...);
}

std::string shown(const json& value) {
  return escaped(value.dump(-1, ' ', false, json::error_handler_t::replace));
}

// The member `key`, or null if there is none.
const json& member(const json& object, const char* key) {
  static const json null;
  const auto found = object.find(key);
  return found == object.end() ? null : *found;
}

const json& array_of(const json& object, const char* key) {
  const json& value = member(object, key);
  require(value.is_array(), key, ": ", value.type_name(), ", expected an array");
  return value;
}

// The member "type" of an object that describes a step of tokenizing.
std::string type_of(const json& step, std::string_view expected) {
  require(step.is_object(), shown(step), ", expected ", expected);
  std::string type;
  require(get_field(step, "type", type), "no type, expected ", expected);
  return type;
}

[[noreturn]] void wrong_type(std::string_view type, std::string_view expected) {
  fail(ErrorKind::kData, "type: \"", escaped(type), "\", expected ", expected);
}

// A member that must have this value if it is there.
void require_value(const json& object, const char* key, const json& expected) {
  const json& value = member(object, key);
  require(value.is_null() || value == expected, key, ": ", shown(value), ", expected ",
          shown(expected));
}

void read_model(const json& model, TokenizerJson& result) {
  require(model.is_object(), shown(model), ", expected an object");
  require_value(model, "type", "Unigram");
  require_value(model, "byte_fallback", false);
  const json& vocab = array_of(model, "vocab");
  require(!vocab.empty(), "vocab: no pieces");
  std::unordered_set<std::string_view> seen;
  result.pieces.reserve(vocab.size());  // keeps what `seen` points to in place
  for (const json& entry : vocab) {
    const std::size_t index = result.pieces.size();
    require(entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_number(),
            "vocab: piece ", index, ": ", shown(entry), ", expected [text, score]");
    const std::string& piece = result.pieces.emplace_back(entry[0].get<std::string>());
    require(!piece.empty(), "vocab: piece ", index, " is empty");
    require(piece.size() <= kMaxPieceBytes, "vocab: piece ", index, " has ", piece.size(),
            " bytes, expected at most ", kMaxPieceBytes);
    require(seen.insert(piece).second, "vocab: piece ", index, " (", escaped(piece),
            ") occurs twice");
    const double score = entry[1].get<double>();
    // So that the sum over a line is finite.
    require(std::abs(score) <= double{std::numeric_limits<float>::max()}, "vocab: piece ", index,
            " (", escaped(piece), "): its score is not a float32 number");
    result.scores.push_back(score);
  }
  std::int64_t unk_id = -1;
  require(!member(model, "unk_id").is_null() && get_field(model, "unk_id", unk_id),
          "unk_id: none, expected the id of <unk>");
  require(unk_id >= 0 && unk_id < static_cast<std::int64_t>(vocab.size()), "unk_id: ", unk_id,
          ", expected one below ", vocab.size());
  result.unk_id = static_cast<std::int32_t>(unk_id);
}

Charsmap read_rules(const json& normalizer) {
  constexpr const char* kExpected = "\"Precompiled\"";
  const std::string type = type_of(normalizer, kExpected);
  if (type != "Precompiled") wrong_type(type, kExpected);
  std::string text;
  require(get_field(normalizer, "precompiled_charsmap", text),
          "no precompiled_charsmap, expected the rules in Base64");
  const std::optional<std::string> bytes = decode_base64(text);
  require(bytes.has_value(), "precompiled_charsmap: not Base64");
  return Charsmap(*bytes);
}

// What transformers 4 adds to the rules: Strip, and Replace of repeated spaces. WhitespaceSplit
// makes both superfluous.
bool is_whitespace_step(const json& step) {
  if (!step.is_object()) return false;
  const json& type = member(step, "type");
  return type == "Strip" ||
         (type == "Replace" && member(step, "pattern") == json{{"Regex", " {2,}"}});
}

void read_normalizer(const json& normalizer, TokenizerJson& result) {
  if (normalizer.is_null()) return;
  if (type_of(normalizer, "\"Precompiled\"") != "Sequence") {
    result.rules = read_rules(normalizer);
    return;
  }
  bool first = true;
  for (const json& step : array_of(normalizer, "normalizers")) {
    if (!is_whitespace_step(step)) {
      require(first, "normalizers: ", shown(member(step, "type")),
              " after the first, expected Precompiled first, then Strip and Replace");
      result.rules = read_rules(step);
    }
    first = false;
  }
}

void read_metaspace(const json& step) {
  require_value(step, "replacement", "\u2581");
  require_value(step, "add_prefix_space", true);
  require_value(step, "split", true);
  const json& scheme = member(step, "prepend_scheme");
  require(scheme.is_null() || scheme == "always" || scheme == "first",
          "prepend_scheme: ", shown(scheme), ", expected \"always\"");
}

void read_pre_tokenizer(const json& pre_tokenizer) {
  constexpr const char* kExpected = "\"Metaspace\" or a sequence of WhitespaceSplit and Metaspace";
  if (type_of(pre_tokenizer, kExpected) == "Metaspace") return read_metaspace(pre_tokenizer);
  if (member(pre_tokenizer, "type") != "Sequence")
    wrong_type(member(pre_tokenizer, "type").get<std::string>(), kExpected);
  const json& steps = array_of(pre_tokenizer, "pretokenizers");
  require(steps.size() == 2, "pretokenizers: ", steps.size(), " steps, expected 2");
  const char* const expected[] = {"WhitespaceSplit", "Metaspace"};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string type = type_of(steps[i], expected[i]);
    if (type != expected[i]) wrong_type(type, expected[i]);
  }
  read_metaspace(steps[1]);
}

// The template of a single text: the text, then eos.
void read_post_processor(const json& post_processor, TokenizerJson& result) {
  constexpr const char* kExpected = "\"TemplateProcessing\"";
  const std::string type = type_of(post_processor, kExpected);
  if (type != "TemplateProcessing") wrong_type(type, kExpected);
  const json& single = array_of(post_processor, "single");
  const auto part = [&](std::size_t i, const char* kind) {
    return i < single.size() && single[i].is_object() ? member(single[i], kind) : json();
  };
  const json text = part(0, "Sequence"), eos = part(1, "SpecialToken");
  require(single.size() == 2 && text.is_object() && eos.is_object() && member(text, "id") == "A",
          "single: ", shown(single), ", expected a text and one special token");
  std::string name;
  require(get_field(eos, "id", name), "single: a special token without id");
  const json& tokens = member(post_processor, "special_tokens");
  const json& token = tokens.is_object() ? member(tokens, name.c_str()) : tokens;
  const json& ids = token.is_object() ? member(token, "ids") : token;
  const bool one = ids.is_array() && ids.size() == 1 && ids[0].is_number_integer();
  require(one, "special_tokens: ", escaped(name), ": ids: ", shown(ids), ", expected one id");
  const auto id = ids[0].get<std::int64_t>();
  require(id >= 0 && id < static_cast<std::int64_t>(result.pieces.size()),
          "special_tokens: ", escaped(name), ": id ", id, ", expected one below ",
          result.pieces.size());
  result.eos_id = static_cast<std::int32_t>(id);
}

}  // namespace

TokenizerJson parse_tokenizer_json(std::string_view text, const std::filesystem::path& name) {
  const json file = parse_json_object(text, name);
  return with_context(escaped(name.native()), [&] {
    TokenizerJson result;
    with_context("model", [&] { read_model(member(file, "model"), result); });
    with_context("normalizer", [&] { read_normalizer(member(file, "normalizer"), result); });
    with_context("pre_tokenizer", [&] { read_pre_tokenizer(member(file, "pre_tokenizer")); });
    with_context("post_processor",
                 [&] { read_post_processor(member(file, "post_processor"), result); });
    const json& decoder = member(file, "decoder");
    if (!decoder.is_null())
      with_context("decoder", [&] {
        const std::string type = type_of(decoder, "\"Metaspace\"");
        if (type != "Metaspace") wrong_type(type, "\"Metaspace\"");
        read_metaspace(decoder);
      });
    const json& added = member(file, "added_tokens");
    if (!added.is_null())
      with_context("added_tokens", [&] { result.added = read_added_tokens(added); });
    return result;
  });
}

}  // namespace switchyard
