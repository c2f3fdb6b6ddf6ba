// SPDX-License-Identifier: Apache-2.0
#include "src/io/generation_config.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <system_error>

#include "src/core/error.h"
#include "src/core/json.h"
#include "src/core/log.h"
#include "src/io/generation_settings.h"

namespace switchyard {

using nlohmann::json;

namespace {

// Reads the fields of one object.
class Reader {
 public:
  Reader(const json& object, std::int64_t vocab_size) : object_(object), vocab_size_(vocab_size) {}

  // A number in [low, high].
  template <class T>
  void number(const char* key, std::optional<T>& to, T low, T high) const {
    T value = low;
    if (!get_field(object_, key, value)) return;
    check(value >= low && value <= high, ErrorKind::kData, key, ": ", value, ", expected ", low,
          " to ", high);
    to = value;
  }
  void flag(const char* key, std::optional<bool>& to) const {
    bool value = false;
    if (get_field(object_, key, value)) to = value;
  }
  void early_stopping(std::optional<EarlyStopping>& to) const {
    const auto found = object_.find("early_stopping");
    if (found != object_.end() && *found == "never") {
      to = EarlyStopping::kNever;
      return;
    }
    std::optional<bool> value;
    flag("early_stopping", value);
    if (value) to = *value ? EarlyStopping::kTrue : EarlyStopping::kFalse;
  }
  // One id or a list of ids.
  void ids(const char* key, std::optional<Ids>& to) const {
    const auto found = object_.find(key);
    if (found == object_.end()) return;
    to.emplace();
    if (!found->is_array()) to->push_back(id(key, *found));
    if (found->is_array())
      for (const json& value : *found) to->push_back(id(key, value));
  }
  void id(const char* key, std::optional<std::int32_t>& to) const {
    const auto found = object_.find(key);
    if (found != object_.end()) to = id(key, *found);
  }
  void words(const char* key, std::optional<std::vector<Ids>>& to) const {
    const auto found = object_.find(key);
    if (found == object_.end()) return;
    check(found->is_array(), ErrorKind::kData, key, ": found ", shown(*found),
          ", expected a list of lists of ids");
    to.emplace();
    for (const json& word : *found) {
      check(word.is_array() && !word.empty(), ErrorKind::kData, key, ": found ", shown(word),
            ", expected a list of ids");
      Ids& ids = to->emplace_back();
      for (const json& value : word) ids.push_back(id(key, value));
    }
  }

 private:
  static std::string shown(const json& value) {
    return escaped(value.dump(-1, ' ', true, json::error_handler_t::replace), 60);
  }
  std::int32_t id(const char* key, const json& value) const {
    const bool is_id = value.is_number_integer() && value >= 0 && value < vocab_size_;
    check(is_id, ErrorKind::kData, key, ": found ", shown(value), ", expected ids from 0 to ",
          vocab_size_ - 1);
    return value.get<std::int32_t>();
  }

  const json& object_;
  std::int64_t vocab_size_;
};

// A list of ids becomes the model's id and the others.
void read_eos(json& object, ModelConfig& model, GenerationConfig& generation) {
  const auto found = object.find("eos_token_id");
  if (found == object.end() || !found->is_array() || found->empty()) return;
  std::optional<Ids> ids;
  Reader(object, model.vocab_size).ids("eos_token_id", ids);
  const auto own = std::find(ids->begin(), ids->end(), model.eos_token_id);
  const std::int32_t eos = own == ids->end() ? ids->front() : *own;
  ids->erase(std::remove(ids->begin(), ids->end(), eos), ids->end());
  if (!ids->empty()) generation.more_eos_ids = ids;
  *found = eos;
}

}  // namespace

GenerationConfig read_generation_config(const std::filesystem::path& path, ModelConfig& model) {
  GenerationConfig generation;
  std::error_code error;  // ignored, because reading the file will report it
  if (std::filesystem::symlink_status(path, error).type() == std::filesystem::file_type::not_found)
    return generation;
  json object = read_json_object(path);
  const std::string settings = unimplemented_settings(object);
  if (!settings.empty())
    log_warning(escaped(path.native()) + ": not implemented and ignored: " + settings);
  // transformers 5 writes null for unset fields and may write eos_token_id as a list.
  for (auto it = object.begin(); it != object.end();)
    it = it->is_null() ? object.erase(it) : std::next(it);
  return with_context(escaped(path.native()), [&] {
    read_eos(object, model, generation);
    const Reader read(object, model.vocab_size);
    constexpr std::int64_t kNone = 0, kLength = kMaxNewTokens + 1;
    read.number("num_beams", generation.num_beams, std::int64_t{1}, kMaxNumBeams);
    read.number("num_return_sequences", generation.num_return_sequences, std::int64_t{1},
                kMaxNumBeams);
    read.number("length_penalty", generation.length_penalty, -1000.0f, 1000.0f);
    read.early_stopping(generation.early_stopping);
    std::optional<std::int64_t> max_length;
    read.number("max_length", max_length, std::int64_t{2}, kLength);
    if (max_length) generation.max_new_tokens = *max_length - 1;
    read.number("max_new_tokens", generation.max_new_tokens, std::int64_t{1}, kMaxNewTokens);
    read.number("min_length", generation.min_length, kNone, kLength);
    read.number("min_new_tokens", generation.min_new_tokens, kNone, kLength);
    if (generation.min_new_tokens) generation.min_length.reset();
    read.number("repetition_penalty", generation.repetition_penalty, kMinPenalty, kMaxPenalty);
    read.number("encoder_repetition_penalty", generation.encoder_repetition_penalty, kMinPenalty,
                kMaxPenalty);
    read.number("no_repeat_ngram_size", generation.no_repeat_ngram_size, kNone, kLength);
    read.number("encoder_no_repeat_ngram_size", generation.encoder_no_repeat_ngram_size, kNone,
                kLength);
    read.words("bad_words_ids", generation.bad_words_ids);
    read.ids("suppress_tokens", generation.suppress_tokens);
    read.ids("begin_suppress_tokens", generation.begin_suppress_tokens);
    read.id("forced_bos_token_id", generation.forced_bos_token_id);
    read.ids("forced_eos_token_id", generation.forced_eos_token_id);
    read.flag("do_sample", generation.do_sample);
    read.number("temperature", generation.temperature, kMinTemperature, kMaxTemperature);
    read.number("top_k", generation.top_k, kNone, std::numeric_limits<std::int64_t>::max());
    read.number("top_p", generation.top_p, 0.0f, 1.0f);
    get_field(object, "pad_token_id", model.pad_token_id);
    get_field(object, "eos_token_id", model.eos_token_id);
    get_field(object, "decoder_start_token_id", model.decoder_start_token_id);
    validate(model);
    return generation;
  });
}

std::string generation_config_text(const ModelConfig& config, const GenerationConfig& generation) {
  json out = {
      {"decoder_start_token_id", config.decoder_start_token_id},
      {"eos_token_id", config.eos_token_id},
      {"pad_token_id", config.pad_token_id},
  };
  if (generation.more_eos_ids) {
    out["eos_token_id"] = {config.eos_token_id};
    for (const std::int32_t id : *generation.more_eos_ids) out["eos_token_id"].push_back(id);
  }
  const auto write = [&](const char* key, const auto& value) {
    if (value) out[key] = *value;
  };
  const auto write_float = [&](const char* key, const std::optional<float>& value) {
    if (value) out[key] = shortest_decimal(*value);
  };
  write("num_beams", generation.num_beams);
  write("num_return_sequences", generation.num_return_sequences);
  write_float("length_penalty", generation.length_penalty);
  if (generation.early_stopping == EarlyStopping::kNever)
    out["early_stopping"] = "never";
  else if (generation.early_stopping)
    out["early_stopping"] = generation.early_stopping == EarlyStopping::kTrue;
  write("max_new_tokens", generation.max_new_tokens);
  write("min_new_tokens", generation.min_new_tokens);
  write("min_length", generation.min_length);
  write_float("repetition_penalty", generation.repetition_penalty);
  write_float("encoder_repetition_penalty", generation.encoder_repetition_penalty);
  write("no_repeat_ngram_size", generation.no_repeat_ngram_size);
  write("encoder_no_repeat_ngram_size", generation.encoder_no_repeat_ngram_size);
  write("bad_words_ids", generation.bad_words_ids);
  write("suppress_tokens", generation.suppress_tokens);
  write("begin_suppress_tokens", generation.begin_suppress_tokens);
  write("forced_bos_token_id", generation.forced_bos_token_id);
  write("forced_eos_token_id", generation.forced_eos_token_id);
  write("do_sample", generation.do_sample);
  write_float("temperature", generation.temperature);
  write("top_k", generation.top_k);
  write_float("top_p", generation.top_p);
  return out.dump(2) + "\n";
}

}  // namespace switchyard
