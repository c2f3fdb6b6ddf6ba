// SPDX-License-Identifier: Apache-2.0
#include "src/io/generation_config.h"

#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>

#include "src/core/error.h"
#include "src/core/log.h"
#include "src/io/generation_settings.h"
#include "src/io/json.h"

namespace switchyard {

using nlohmann::json;

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
  const auto eos = object.find("eos_token_id");
  if (eos != object.end() && eos->is_array() && eos->size() == 1) *eos = json(eos->front());
  return with_context(escaped(path.native()), [&] {
    const auto read = [&](const char* key, auto& to, auto low, auto high) {
      auto value = low;
      if (!get_field(object, key, value)) return;
      check(value >= low && value <= high, ErrorKind::kData, key, ": ", value, ", expected ", low,
            " to ", high);
      to = value;
    };
    read("num_beams", generation.num_beams, std::int64_t{1}, kMaxNumBeams);
    read("length_penalty", generation.length_penalty, -1000.0f, 1000.0f);
    // "never" is read as false, which differs only in a less strict bound on the score that running
    // hypotheses can reach.
    const auto early_stopping = object.find("early_stopping");
    if (early_stopping != object.end() && *early_stopping == "never") *early_stopping = false;
    bool early = false;
    if (get_field(object, "early_stopping", early)) generation.early_stopping = early;
    std::optional<std::int64_t> max_length;
    read("max_length", max_length, std::int64_t{2}, kMaxNewTokens + 1);
    if (max_length) generation.max_new_tokens = *max_length - 1;
    read("max_new_tokens", generation.max_new_tokens, std::int64_t{1}, kMaxNewTokens);
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
  if (generation.num_beams) out["num_beams"] = *generation.num_beams;
  if (generation.length_penalty)
    out["length_penalty"] = shortest_decimal(*generation.length_penalty);
  if (generation.early_stopping) out["early_stopping"] = *generation.early_stopping;
  if (generation.max_new_tokens) out["max_new_tokens"] = *generation.max_new_tokens;
  return out.dump(2) + "\n";
}

}  // namespace switchyard
