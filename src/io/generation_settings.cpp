// SPDX-License-Identifier: Apache-2.0
#include "src/io/generation_settings.h"

#include <nlohmann/json.hpp>
#include <span>

namespace switchyard {

namespace {

using nlohmann::json;

struct Setting {
  const char* key;
  json unset;  // generate()'s default, which has no effect; neither does null
};

// From GenerationConfig of transformers 4.57.6 and 5.24.0, without the settings that affect only
// speed or the form of results (use_cache, output_scores, assistants, ...).
std::span<const Setting> unimplemented() {
  static const Setting settings[] = {
      {"constraints", {}},
      {"diversity_penalty", 0},
      {"dola_layers", {}},
      {"epsilon_cutoff", 0},
      {"eta_cutoff", 0},
      {"exponential_decay_length_penalty", {}},
      {"force_words_ids", {}},
      {"forced_decoder_ids", {}},
      {"guidance_scale", 1},
      {"max_time", {}},
      {"min_p", {}},
      {"num_beam_groups", 1},
      {"penalty_alpha", {}},
      {"remove_invalid_values", false},
      {"renormalize_logits", false},
      {"sequence_bias", {}},
      {"stop_strings", {}},
      {"token_healing", false},
      {"top_h", {}},
      {"typical_p", 1},
      {"watermarking_config", {}},
  };
  return settings;
}

// Settings that this program reads from generation_config.json.
std::span<const Setting> implemented() {
  static const Setting settings[] = {{"bad_words_ids", {}},
                                     {"begin_suppress_tokens", {}},
                                     {"do_sample", false},
                                     {"early_stopping", false},
                                     {"encoder_no_repeat_ngram_size", 0},
                                     {"encoder_repetition_penalty", 1},
                                     {"forced_bos_token_id", {}},
                                     {"forced_eos_token_id", {}},
                                     {"length_penalty", 1},
                                     {"max_length", 20},
                                     {"max_new_tokens", {}},
                                     {"min_length", 0},
                                     {"min_new_tokens", {}},
                                     {"no_repeat_ngram_size", 0},
                                     {"num_beams", 1},
                                     {"num_return_sequences", 1},
                                     {"repetition_penalty", 1},
                                     {"suppress_tokens", {}},
                                     {"temperature", 1},
                                     {"top_k", 50},
                                     {"top_p", 1}};
  return settings;
}

void list_set(const json& object, std::span<const Setting> settings, std::string& list) {
  for (const auto& [key, unset] : settings) {
    const auto found = object.find(key);
    // empty() is true for null and for lists and objects without elements.
    if (found == object.end() || found->empty() || *found == unset) continue;
    list += (list.empty() ? "" : ", ") + std::string(key);
  }
}

}  // namespace

std::string unimplemented_settings(const json& generation_config) {
  std::string list;
  list_set(generation_config, unimplemented(), list);
  return list;
}

std::string settings_in_config(const json& config) {
  std::string list;
  list_set(config, implemented(), list);
  list_set(config, unimplemented(), list);
  return list;
}

json settings_of_config(const json& config) {
  json found = json::object();
  for (const auto& settings : {implemented(), unimplemented()})
    for (const auto& [key, unset] : settings)
      if (config.contains(key) && config[key] != unset) found[key] = config[key];
  return found;
}

}  // namespace switchyard
