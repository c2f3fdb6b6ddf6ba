// SPDX-License-Identifier: Apache-2.0
// Validates the bytes of a SentencePiece model before SentencePiece parses them, and reads its
// settings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace switchyard {

// The longest piece that models may have, in bytes. By default SentencePiece writes pieces of up to
// 16 characters, and version 0.1.97 is known to work with this.
constexpr std::size_t kMaxPieceBytes = 1024;

// A model's settings, by SentencePiece's names.
struct SentencePieceTraits {
  bool byte_fallback = false;               // unknown characters are spelled as bytes
  bool treat_whitespace_as_suffix = false;  // the mark for a space ends a word
  bool add_dummy_prefix = true;             // a space is prepended to a text
  bool remove_extra_whitespaces = true;     // from both ends, and all but one of each run
  bool escape_whitespaces = true;           // a space is U+2581 in pieces
  std::int64_t user_defined = 0;            // number of pieces that always match first
  std::int64_t unused = 0;                  // number of pieces that encoding never yields
};

// Returns the model's settings. Error(kData) if loading or using the model could crash:
// SentencePiece 0.1.97 crashes on some damaged files. The message does not name the file.
SentencePieceTraits check_sentencepiece_model(std::string_view bytes);

}  // namespace switchyard
