// SPDX-License-Identifier: Apache-2.0
// Reads the files in which transformers keeps tokens added to a vocabulary: the member
// added_tokens_decoder of tokenizer_config.json, added_tokens.json (before version 4.34) and
// special_tokens_map.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "src/core/hash.h"
#include "src/text/added_tokens.h"

namespace switchyard {

// Reads tokenizer.json's member added_tokens; the result is in order of ids. Error(kData) if a
// token is empty, too long, listed twice, or must be a single word, which is not supported.
std::vector<AddedToken> read_added_tokens(const nlohmann::json& list);

struct AddedTokenFiles {
  std::vector<AddedToken> added;  // by ascending id
  // True if they are in added_tokens_decoder, next to which other files' tokens do not count.
  bool complete = false;
  std::string pad_token = "<pad>";
  // T5's number of sentinels, which follow the vocabulary in descending order.
  std::int64_t extra_ids = 100;
  // False if text after an added token starts a new word only after a space, as spiece.model is
  // then read by transformers 4 (and not by 5).
  bool legacy = true;
  // Names and contents of the files that were found.
  std::vector<std::pair<std::string, std::string>> files;
};

// Reads those of the files that `directory` has. Errors as above and of read_json_object().
AddedTokenFiles read_added_token_files(const std::filesystem::path& directory);

// The tokenizer_config.json of a vocabulary whose files need no other settings. Without the number
// of sentinels transformers would add 100 of them.
std::string tokenizer_config(std::int64_t extra_ids);

// Adds contents and ids, by which a checkpoint recognizes its tokenizer.
void add_to_hash(const std::vector<AddedToken>& tokens, Fnv1a& hash);

}  // namespace switchyard
