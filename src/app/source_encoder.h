// SPDX-License-Identifier: Apache-2.0
// Lines of text to the ids that a model reads: the task prefix, the length limit, invalid UTF-8 and
// unknown tokens. A line above the length limit is cropped, split or an error, never lost.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/core/ids.h"
#include "src/text/tokenizer.h"
#include "src/text/vocabulary_fit.h"

namespace switchyard {

// What to do with a line of more than max_input_length tokens: crop it; split it at the ends of
// sentences or words and join the translations of the parts with spaces; or throw Error(kData).
enum class LongInput { kCrop, kSplit, kError };

struct SourceOptions {
  std::int64_t max_input_length = 1024;  // tokens, eos included; at least 2
  LongInput long_input = LongInput::kCrop;
  bool strict = false;          // Error(kData) for invalid UTF-8 instead of U+FFFD in its place
  std::string input = "input";  // the name of the input in messages: "news.en:12: ..."
  std::string source_prefix;    // prepended to every line or part of a line: T5's task prefix
  // T5's sentinels (<extra_id_0>) spelled out in a line are tokens.
  bool sentinels = false;
};

struct SourceCounts {
  std::int64_t lines = 0;
  std::int64_t long_lines = 0;           // cropped or split
  std::int64_t replaced = 0;             // invalid UTF-8 sequences, replaced by U+FFFD
  std::int64_t first_replaced_line = 0;  // from 1
};

class SourceEncoder {
 public:
  // The tokenizer must outlive this; `vocab_size` is the model's. Error(kUsage) naming an option
  // that is out of range, or if sentinels are asked for and the model has none.
  SourceEncoder(const Tokenizer& tokenizer, std::int64_t vocab_size, const SourceOptions& options);

  // Returns the id sequences of a line, each with eos: none for a blank line, several only if it is
  // split. Warns about a line that it crops.
  std::vector<Ids> encode(const std::string& line);

  const SourceCounts& counts() const { return counts_; }
  // Warns if more than 1 % of the tokens read so far are unknown to the vocabulary and some of them
  // were read since the last warning.
  void warn_of_unknown_tokens();
  void warn_once_of_unknown_tokens();  // only if it has not warned yet

 private:
  std::string place() const;  // of the current line

  const Tokenizer& tokenizer_;
  Ids prefix_;  // of source_prefix, without eos
  SourceOptions options_;
  SourceCounts counts_;
  UnknownTokens unknown_;
  std::int64_t warned_of_unknown_ = 0;  // unknown tokens at the last warning
};

}  // namespace switchyard
