// SPDX-License-Identifier: Apache-2.0
// Tokens added to a vocabulary after it was trained ("<de>", T5's sentinels "<extra_id_0>"), and
// control tokens: found in a text before the vocabulary's own model sees what is between them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/text/piece_trie.h"
#include "src/text/special_tokens.h"

namespace switchyard {

// Named as in Hugging Face's files.
struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool lstrip = false, rstrip = false;  // takes the whitespace before and after it with it
  bool normalized = false;              // looked for in the normalized text
  bool special = false;                 // not part of a decoded text
};

// N if `content` is "<extra_id_N>", else nullopt.
std::optional<std::int32_t> sentinel_number(std::string_view content);

// A stretch of text, or an added token in its place.
struct TextPart {
  std::string_view text;
  std::int32_t id = -1;  // of the token; -1: text
};

// Finds tokens in a text, leftmost first and the longest of those that begin at one place.
class TokenFinder {
 public:
  // `is_space` defines the whitespace that lstrip and rstrip take. The contents are not empty and
  // have at most 65,535 bytes; of equal ones the first counts.
  TokenFinder(std::vector<AddedToken> tokens, bool (*is_space)(char32_t));

  // Appends the parts of a text in order, without empty ones. Text and `parts` must be valid UTF-8.
  void split(std::string_view text, std::vector<TextPart>& parts) const;

 private:
  std::vector<AddedToken> tokens_;
  PieceTrie trie_;                    // of their contents
  std::array<bool, 256> is_first_{};  // bytes that begin a token
  bool (*is_space_)(char32_t);
};

// One finder for each answer to the question which tokens are found when they are spelled out.
// `controls` are ids.
class TokenFinders {
 public:
  TokenFinders(std::span<const AddedToken> tokens, std::span<const std::int32_t> controls,
               bool (*is_space)(char32_t));
  const TokenFinder& operator[](Spelled spelled) const {
    return finders_[static_cast<std::size_t>(spelled)];
  }

 private:
  std::vector<TokenFinder> finders_;
};

}  // namespace switchyard
