// SPDX-License-Identifier: Apache-2.0
// SentencePiece's compiled normalization rules (NormalizerSpec.precompiled_charsmap): a
// double-array trie of byte strings (Darts-clone), each with a replacement.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

// Error(kData) "charsmap: ..." if a lookup could read outside the rules, if they do not end, if a
// replacement has more than 1,024 bytes, or if more than 32 rules start with each other. Empty
// bytes are no rules.
void check_charsmap(std::string_view bytes);

// The rules, looked up as Hugging Face's `tokenizers` does it (crate spm_precompiled 0.1.4).
class Charsmap {
 public:
  // Error(kData) as above, and if the replacements are not UTF-8, which SentencePiece accepts.
  explicit Charsmap(std::string_view bytes);

  bool empty() const { return units_.empty(); }
  // The replacement by the shortest rule that `text` starts with, or nullopt. SentencePiece would
  // take the longest one.
  std::optional<std::string_view> shortest(std::string_view text) const;

 private:
  std::vector<std::uint32_t> units_;
  std::string replacements_;  // each ends in NUL
};

}  // namespace switchyard
