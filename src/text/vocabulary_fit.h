// SPDX-License-Identifier: Apache-2.0
// How well a vocabulary fits a text: unknown tokens, and lines that do not survive encoding and
// decoding.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/text/tokenizer.h"

namespace switchyard {

// Counts the tokens of a text that are unknown, and keeps a few examples of what they stand for.
class UnknownTokens {
 public:
  // `ids` are those of `text` as the model gets them: perhaps cropped, with eos, which is not
  // counted.
  void add(const Tokenizer& tokenizer, std::span<const std::int32_t> ids, std::string_view text);

  std::int64_t tokens() const { return tokens_; }
  std::int64_t unknown() const { return unknown_; }
  double share() const {
    return tokens_ > 0 ? static_cast<double>(unknown_) / static_cast<double>(tokens_) : 0;
  }
  // At most three, each the unknown part of a word.
  const std::vector<std::string>& examples() const { return examples_; }

 private:
  void look_for_examples(const Tokenizer& tokenizer, std::string_view text);

  std::int64_t tokens_ = 0, unknown_ = 0;
  std::int64_t searched_ = 0;  // texts searched for examples
  std::vector<std::string> examples_;
};

// Lines that are different once they have been encoded and decoded, runs of whitespace aside:
// normalization has changed them. Lines with unknown tokens, or above Tokenizer::kMaxPartBytes, do
// not count as changed.
struct ChangedLines {
  std::int64_t lines = 0;  // looked at: all, or `sample` drawn at random
  std::int64_t changed = 0;
  std::string before, after;  // a part of the first changed line
};
ChangedLines changed_lines(const Tokenizer& tokenizer, const std::vector<std::string>& lines,
                           std::int64_t sample);

// The reasons why Hugging Face's T5 tokenizer, with the same spiece.model, gives some texts other
// ids than SentencePiece and this program do: "it has user-defined symbols". Empty for vocabularies
// trained here with normalization nmt_nfkc. Not among them: a control token spelled out in a text
// ("</s>") is always one there, and never here.
std::vector<std::string> differences_in_transformers(const Tokenizer& tokenizer);

}  // namespace switchyard
