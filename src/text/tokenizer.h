// SPDX-License-Identifier: Apache-2.0
// Converts text to token ids and back with a SentencePiece unigram model (Kudo 2018, arXiv
// 1804.10959). Models trained here have T5's ids: pad 0, eos 1, unk 2; loaded models keep their
// own. An encoded line ends in eos. The one surprise: a control token spelled out in the text
// ("</s>", "<pad>") stays text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/core/ids.h"
#include "src/text/sentencepiece_model.h"

namespace switchyard {

class Tokenizer {
 public:
  // Reads a spiece.model. Error(kData) naming the file if it is damaged, which is checked before
  // SentencePiece parses it: version 0.1.97 crashes on hostile models.
  static Tokenizer load(const std::filesystem::path& path);
  // The same for the bytes of such a file, which messages call `name`.
  static Tokenizer from_bytes(std::string bytes, std::string_view name);

  // Trains a vocabulary of at most `vocab_size` tokens; fewer if the text does not yield as many.
  // `next` assigns the next line, of any length, to its argument, or returns false at the end. If
  // there are more than kMaxTrainingLines lines, trains on a random sample of that size. The same
  // lines give the same bytes on every machine. `normalization` is one of SentencePiece's rules:
  // nmt_nfkc, nfkc, nmt_nfkc_cf, nfkc_cf, identity. Error(kData) if there is too little text, or if
  // it has more distinct characters than `vocab_size` allows; the message then gives their number
  // and the smallest sufficient size.
  static constexpr std::int64_t kMaxTrainingLines = 2'000'000;
  using NextSentence = std::function<bool(std::string&)>;
  static Tokenizer train(const NextSentence& next, std::int64_t vocab_size,
                         const std::string& normalization = "nmt_nfkc");

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  int vocab_size() const;  // number of tokens
  int pad_id() const;      // -1 if the model has none
  int eos_id() const;
  int unk_id() const;

  // Longer lines are encoded in parts, split at spaces. A split elsewhere decodes to a space.
  static constexpr std::size_t kMaxPartBytes = std::size_t{8} << 10;
  // Returns the ids of a line, ending in eos; a blank line gives only eos. Ill-formed UTF-8 is read
  // as U+FFFD; the number of replacements is added to `replaced`. Only the first MiB of a line is
  // encoded, to bound memory. Thread-safe.
  Ids encode(std::string_view line, std::int64_t* replaced = nullptr) const;
  // The parts of the normalized line that encode() turns into <unk>.
  std::vector<std::string> unknown_parts(std::string_view line) const;
  // Returns the text of `ids` as one line of valid UTF-8, without pad, eos and other control
  // tokens. Error(kData) if an id is outside the vocabulary.
  std::string decode(std::span<const std::int32_t> ids) const;
  // The text of a token in the vocabulary: "▁Hund".
  const std::string& piece(int id) const;
  // Returns true if a token starts a word, that is, if its text starts with U+2581. Never true in a
  // vocabulary that marks the ends of words instead (treat_whitespace_as_suffix).
  bool starts_word(int id) const;

  // Writes spiece.model, tokenizer_config.json and special_tokens_map.json, which transformers'
  // AutoTokenizer needs, into an existing directory, each durably.
  void save(const std::filesystem::path& directory) const;
  // A 64-bit FNV-1a hash of spiece.model, by which a checkpoint recognizes its tokenizer.
  std::uint64_t hash() const;
  const SentencePieceTraits& traits() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace switchyard
