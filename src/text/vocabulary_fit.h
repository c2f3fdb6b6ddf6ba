// SPDX-License-Identifier: Apache-2.0
// Measures how well a vocabulary fits a text: unknown tokens, and lines that change when they are
// encoded and decoded.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/text/tokenizer.h"

namespace switchyard {

// Counts a text's unknown tokens and keeps a few examples of the text behind them.
class UnknownTokens {
 public:
  // `ids` are the tokens of `text` that the model receives: possibly cropped, ending in eos, which
  // is not counted.
  void add(const Tokenizer& tokenizer, std::span<const std::int32_t> ids, std::string_view text);

  std::int64_t tokens() const { return tokens_; }
  std::int64_t unknown() const { return unknown_; }
  double share() const {
    return tokens_ > 0 ? static_cast<double>(unknown_) / static_cast<double>(tokens_) : 0;
  }
  // Up to three unknown parts of words.
  const std::vector<std::string>& examples() const { return examples_; }

 private:
  void look_for_examples(const Tokenizer& tokenizer, std::string_view text);

  std::int64_t tokens_ = 0, unknown_ = 0;
  std::int64_t searched_ = 0;  // texts searched for examples
  std::vector<std::string> examples_;
};

// Lines that normalization changes: encoding and decoding them yields a different text, apart from
// whitespace. Lines with unknown tokens or longer than Tokenizer::kMaxPartBytes do not count as
// changed.
struct ChangedLines {
  std::int64_t lines = 0;  // tested: all, or a random sample
  std::int64_t changed = 0;
  std::string before, after;  // excerpt of the first changed line
};
// Tests all lines, or a random sample of `sample` lines if there are more.
ChangedLines changed_lines(const Tokenizer& tokenizer, const std::vector<std::string>& lines,
                           std::int64_t sample);

// Returns the reasons why Hugging Face's T5 tokenizer encodes some texts differently from
// SentencePiece and this program, given the same spiece.model: "it has user-defined symbols". Empty
// for vocabularies trained here with normalization nmt_nfkc. One difference is not listed: a
// control token spelled out in a text ("</s>") is always a control token there, and never here.
std::vector<std::string> differences_in_transformers(const Tokenizer& tokenizer);

}  // namespace switchyard
