// SPDX-License-Identifier: Apache-2.0
#include "src/text/tokenizer.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <cstdlib>
#include <unordered_map>
#include <utility>
#include <vector>

#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/file.h"
#include "src/core/hash.h"
#include "src/core/parallel.h"
#include "src/text/utf8.h"

namespace switchyard {

namespace {

constexpr std::size_t kMaxModelBytes = std::size_t{64} << 20;
// SentencePiece takes quadratic time for a run of unknown characters, and about 30 bytes of memory
// per byte. Long lines are therefore encoded in parts (kMaxPartBytes) and cropped to this length.
constexpr std::size_t kMaxLineBytes = std::size_t{1} << 20;
// The sums in EM steps, and therefore the bits of the model, depend on this number.
constexpr int kTrainingThreads = 16;
// <pad>, </s> and <unk>.
constexpr std::int64_t kControlTokens = 3;

// SentencePiece's trainer silently skips sentences longer than this (its max_sentence_length) and
// sentences that contain the character it reserves for unknown ones.
constexpr std::size_t kMaxTrainingBytes = 4192;
constexpr std::string_view kUnknownMark = "\u2585";
constexpr std::string_view kSpaceMark = "\u2581";

// Without "extra_ids": 0, AutoTokenizer would add 100 sentinel tokens.
constexpr std::string_view kTokenizerConfig = R"({
  "eos_token": "</s>",
  "extra_ids": 0,
  "pad_token": "<pad>",
  "tokenizer_class": "T5Tokenizer",
  "unk_token": "<unk>"
}
)";
constexpr std::string_view kSpecialTokensMap = R"({
  "eos_token": "</s>",
  "pad_token": "<pad>",
  "unk_token": "<unk>"
}
)";

void check_status(const sentencepiece::util::Status& status, std::string_view what) {
  check(status.ok(), ErrorKind::kData, what, ": SentencePiece: ", status.ToString());
}

// If the text has more distinct characters than the vocabulary may have tokens, the trainer's error
// says "... required_chars. SIZE vs NEEDED. ...". Returns NEEDED, which includes control tokens, or
// 0 for other errors.
std::int64_t needed_tokens(const std::string& error) {
  const std::size_t what = error.find("required_chars. ");
  const std::size_t versus = what == error.npos ? what : error.find(" vs ", what);
  return versus == error.npos ? 0 : std::strtoll(error.c_str() + versus + 4, nullptr, 10);
}

// Returns the start of a text, ending before a space, which no token spans, or, failing that,
// between two characters.
std::string_view first_part(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = text.rfind(' ', max_bytes);
  if (end == text.npos || end == 0)
    for (end = max_bytes; (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80;) --end;
  return text.substr(0, end);
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
  explicit Sentences(const Tokenizer::NextSentence& next) : next_(next) { Next(); }
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

  const Tokenizer::NextSentence& next_;
  std::string line_, sentence_;
  std::string_view rest_;  // of line_
  bool done_ = false;
};

}  // namespace

struct Tokenizer::Impl {
  std::string bytes;
  SentencePieceTraits traits;
  sentencepiece::SentencePieceProcessor processor;

  // Splits a long text into parts and calls take(tokens) for each; a Token is a string or an id.
  template <class Token, class F>
  void encode_parts(std::string_view text, F&& take) const {
    std::vector<Token> tokens;
    while (!text.empty()) {
      const std::string_view part = first_part(text, kMaxPartBytes);
      text.remove_prefix(part.size());
      check_status(processor.Encode({part.data(), part.size()}, &tokens), "encoding a line");
      take(tokens);
    }
  }
};

Tokenizer::Tokenizer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::filesystem::path& path) {
  return from_bytes(read_file(path, kMaxModelBytes), path.string());
}

Tokenizer Tokenizer::from_bytes(std::string bytes, std::string_view name) {
  const std::string shown = escaped(name);
  auto impl = std::make_unique<Impl>();
  impl->traits = with_context(shown, [&] { return check_sentencepiece_model(bytes); });
  impl->bytes = std::move(bytes);
  check_status(impl->processor.LoadFromSerializedProto(impl->bytes), shown);
  check(impl->processor.eos_id() >= 0, ErrorKind::kData, shown,
        ": no end-of-sentence piece, expected </s>");
  return Tokenizer(std::move(impl));
}

Tokenizer Tokenizer::train(const NextSentence& next, std::int64_t vocab_size,
                           const std::string& normalization) {
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
      {"input_sentence_size", std::to_string(kMaxTrainingLines)},
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
  check_status(status, "training the vocabulary");
  return from_bytes(std::move(bytes), "trained vocabulary");
}

int Tokenizer::vocab_size() const { return impl_->processor.GetPieceSize(); }
int Tokenizer::pad_id() const { return impl_->processor.pad_id(); }
int Tokenizer::eos_id() const { return impl_->processor.eos_id(); }
int Tokenizer::unk_id() const { return impl_->processor.unk_id(); }

std::vector<std::string> Tokenizer::unknown_parts(std::string_view line) const {
  const std::string text = valid_utf8(line.substr(0, kMaxLineBytes));
  std::vector<std::string> unknown;
  impl_->encode_parts<std::string>(text, [&](const std::vector<std::string>& pieces) {
    for (const std::string& piece : pieces) {
      if (impl_->processor.PieceToId(piece) != unk_id()) continue;
      // An unknown word includes the mark of the space before it.
      unknown.push_back(piece.starts_with(kSpaceMark) ? piece.substr(kSpaceMark.size()) : piece);
    }
  });
  return unknown;
}

Ids Tokenizer::encode(std::string_view line, std::int64_t* replaced) const {
  const std::string text = valid_utf8(line.substr(0, kMaxLineBytes), replaced);
  Ids ids;
  impl_->encode_parts<int>(text, [&](const std::vector<int>& ids_of_part) {
    ids.reserve(ids.size() + ids_of_part.size() + 1);  // 1: eos
    ids.insert(ids.end(), ids_of_part.begin(), ids_of_part.end());
  });
  ids.push_back(eos_id());
  return ids;
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  for (const auto id : ids)
    check(id >= 0 && id < vocab_size(), ErrorKind::kData, "token id ", id, ", expected one below ",
          vocab_size());
  std::string text;
  check_status(impl_->processor.Decode(std::vector<int>(ids.begin(), ids.end()), &text),
               "decoding");
  std::replace(text.begin(), text.end(), '\n', ' ');
  return valid_utf8(text);
}

const std::string& Tokenizer::piece(int id) const {
  check(id >= 0 && id < vocab_size(), ErrorKind::kData, "token id ", id, ", expected one below ",
        vocab_size());
  return impl_->processor.IdToPiece(id);
}

bool Tokenizer::starts_word(int id) const { return piece(id).starts_with(kSpaceMark); }

void Tokenizer::save(const std::filesystem::path& directory) const {
  write_file_durably(directory / "spiece.model", impl_->bytes);
  write_file_durably(directory / "tokenizer_config.json", kTokenizerConfig);
  write_file_durably(directory / "special_tokens_map.json", kSpecialTokensMap);
}

std::uint64_t Tokenizer::hash() const {
  Fnv1a hash;
  for (const char c : impl_->bytes) hash.add(static_cast<unsigned char>(c));
  return hash.value();
}

const SentencePieceTraits& Tokenizer::traits() const { return impl_->traits; }

}  // namespace switchyard
