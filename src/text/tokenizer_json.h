// SPDX-License-Identifier: Apache-2.0
// Reads tokenizer.json, a file of Hugging Face's `tokenizers`, as its library and transformers 5
// read it for T5 and mT5: a unigram vocabulary with SentencePiece's normalization rules.
//
// The surprise: transformers 5 takes only vocabulary, rules and added tokens from the file. It
// always splits at whitespace and marks the beginnings of words with U+2581, even if the file says
// otherwise, as files saved by transformers 4 do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "src/text/added_tokens.h"
#include "src/text/charsmap.h"

namespace switchyard {

struct TokenizerJson {
  std::vector<std::string> pieces;
  std::vector<double> scores;  // one per piece
  std::int32_t unk_id = 0;
  std::int32_t eos_id = 0;
  Charsmap rules{""};
  std::vector<AddedToken> added;  // by ascending id
};

// Error(kData) naming the file, the field, what was found and what was expected if it is damaged or
// describes a tokenizer of another kind. Of the messages' file name only `name` is used.
TokenizerJson parse_tokenizer_json(std::string_view text, const std::filesystem::path& name);

}  // namespace switchyard
