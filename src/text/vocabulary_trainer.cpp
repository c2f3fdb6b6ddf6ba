// SPDX-License-Identifier: Apache-2.0
#include "src/text/vocabulary_trainer.h"

#include <sentencepiece_trainer.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <unordered_map>

#include "src/core/error.h"
#include "src/core/parallel.h"
#include "src/text/line_parts.h"
#include "src/text/utf8.h"

namespace switchyard {

namespace {

// The sums in EM steps, and therefore the bits of the model, depend on this number.
constexpr int kTrainingThreads = 16;
// <pad>, </s> and <unk>.
constexpr std::int64_t kControlTokens = 3;

// SentencePiece's trainer silently skips sentences longer than this (its max_sentence_length) and
// sentences that contain the character it reserves for unknown ones.
constexpr std::size_t kMaxTrainingBytes = 4192;
constexpr std::string_view kUnknownMark = "\u2585";

// If the text has more distinct characters than the vocabulary may have tokens, the trainer's error
// says "... required_chars. SIZE vs NEEDED. ...". Returns NEEDED, which includes control tokens, or
// 0 for other errors.
std::int64_t needed_tokens(const std::string& error) {
  const std::size_t what = error.find("required_chars. ");
  const std::size_t versus = what == error.npos ? what : error.find(" vs ", what);
  return versus == error.npos ? 0 : std::strtoll(error.c_str() + versus + 4, nullptr, 10);
}

// Returns a line as valid UTF-8, without the characters that make the trainer skip it.
std::string trainable(std::string_view line) {
  std::string text = valid_utf8(line);
  std::replace(text.begin(), text.end(), '\0', ' ');
  for (std::size_t at = 0; (at = text.find(kUnknownMark, at)) != text.npos;)
    text.replace(at, kUnknownMark.size(), 1, ' ');
  return text;
}

// Returns true if the trainer can use a sentence; it terminates the process if there is none.
bool is_usable(const std::string& sentence) {
  const std::u32string text = to_code_points(sentence);
  // The trainer treats U+2581, its mark for a space, and U+FFFD as spaces.
  return std::any_of(text.begin(), text.end(),
                     [](char32_t c) { return is_visible(c) && c != 0x2581 && c != 0xFFFD; });
}

// Splits a text's lines into sentences short enough for the trainer.
class Sentences : public sentencepiece::SentenceIterator {
 public:
  explicit Sentences(const std::function<bool(std::string&)>& next) : next_(next) { Next(); }
  bool done() const override { return done_; }
  void Next() override {
    do {
      done_ = rest_.empty() && !next_line();
      if (done_) return;
      sentence_ = first_part(rest_, kMaxTrainingBytes);
      rest_.remove_prefix(sentence_.size());
    } while (!is_usable(sentence_));
  }
  const std::string& value() const override { return sentence_; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  bool next_line() {
    std::string raw;
    if (!next_(raw)) return false;
    line_ = trainable(raw);
    rest_ = line_;
    return true;
  }

  const std::function<bool(std::string&)>& next_;
  std::string line_, sentence_;
  std::string_view rest_;  // of line_
  bool done_ = false;
};

}  // namespace

std::string train_vocabulary(const std::function<bool(std::string&)>& next, std::int64_t vocab_size,
                             std::int64_t max_lines, const std::string& normalization) {
  const std::unordered_map<std::string, std::string> settings = {
      {"model_type", "unigram"},
      {"vocab_size", std::to_string(vocab_size)},
      {"hard_vocab_limit", "false"},
      {"normalization_rule_name", normalization},
      {"character_coverage", "1.0"},
      {"pad_id", "0"},
      {"eos_id", "1"},
      {"unk_id", "2"},
      {"bos_id", "-1"},
      {"input_sentence_size", std::to_string(max_lines)},
      {"num_threads", std::to_string(kTrainingThreads)},
      {"minloglevel", "2"},
  };
  Sentences sentences(next);
  check(!sentences.done(), ErrorKind::kData, "training the vocabulary: no text");
  check_threads(kTrainingThreads);
  std::string bytes;
  const auto status = sentencepiece::SentencePieceTrainer::Train(settings, &sentences, &bytes);
  const std::int64_t needed = needed_tokens(status.ToString());
  check(needed == 0, ErrorKind::kData, "the text has ", needed - kControlTokens,
        " distinct characters, each of which needs its own piece besides <pad>, </s> and <unk>; "
        "found --vocab-size ",
        vocab_size, ", expected at least ", needed);
  check(status.ok(), ErrorKind::kData,
        "training the vocabulary: SentencePiece: ", status.ToString());
  return bytes;
}

}  // namespace switchyard
