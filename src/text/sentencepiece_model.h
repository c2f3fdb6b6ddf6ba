// SPDX-License-Identifier: Apache-2.0
// Validates the bytes of a SentencePiece model before SentencePiece parses them, and reads its
// settings.
#pragma once

#include <cstdint>
#include <string_view>

namespace switchyard {

// A model's settings, under SentencePiece's names.
struct SentencePieceTraits {
  bool byte_fallback = false;               // unknown characters are spelled in bytes
  bool treat_whitespace_as_suffix = false;  // a word's piece ends in its space
  bool add_dummy_prefix = true;             // a space is put before a text
  bool remove_extra_whitespaces = true;     // at both ends, and of each run all but one
  bool escape_whitespaces = true;           // a space is U+2581 in pieces
  std::int64_t user_defined = 0;            // pieces found in a text before all others
  std::int64_t unused = 0;                  // pieces that encoding never yields
};

// Error(kData) if a model could harm the program that loads it: SentencePiece 0.1.97 crashes on
// some damaged files. The message does not name the file. Returns the model's settings.
SentencePieceTraits check_sentencepiece_model(std::string_view bytes);

}  // namespace switchyard
