// SPDX-License-Identifier: Apache-2.0
// Text <-> ids by a SentencePiece unigram model (Kudo 2018, arXiv 1804.10959), ids as T5's: pad 0,
// eos 1, unk 2 in models we train, the file's own in models we load. A sentence's ids end in eos.
// The one surprise: a control token spelled out in a text ("</s>", "<pad>") stays text.
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
  // Reads a spiece.model. Every fault of the file is an Error(kData) naming it, found before
  // SentencePiece sees the bytes (its version 0.1.97 crashes on hostile models).
  static Tokenizer load(const std::filesystem::path& path);
  // The same from bytes; `name` stands for the file in messages.
  static Tokenizer from_bytes(std::string bytes, std::string_view name);

  // Trains a model of at most `vocab_size` pieces; less where the text has fewer. `next` puts a
  // line of any length into its argument, or returns false at the end; if there are more than
  // kMaxTrainingLines, that many are drawn at random. The same lines give the same bytes on every
  // machine. Error(kData) where there is too little text, or if it has more different characters
  // than `vocab_size` allows; the message then gives their number and the smallest size.
  // `normalization` is one of SentencePiece's rules: nmt_nfkc, nfkc, nmt_nfkc_cf, nfkc_cf,
  // identity.
  static constexpr std::int64_t kMaxTrainingLines = 2'000'000;
  using NextSentence = std::function<bool(std::string&)>;
  static Tokenizer train(const NextSentence& next, std::int64_t vocab_size,
                         const std::string& normalization = "nmt_nfkc");

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  int vocab_size() const;  // number of pieces
  int pad_id() const;      // -1 where the model has none
  int eos_id() const;
  int unk_id() const;

  // A longer line is encoded in parts: where it has no space to cut at, decoding gives one back.
  static constexpr std::size_t kMaxPartBytes = std::size_t{8} << 10;
  // The line's ids, eos last; an empty or blank line is eos alone. Ill-formed UTF-8 is taken as
  // U+FFFD; the number of such places is added to `replaced`. Only a line's first MiB is looked at,
  // which bounds memory. Safe to call from many threads.
  Ids encode(std::string_view line, std::int64_t* replaced = nullptr) const;
  // The parts of the line, as normalized, that encode() turns into <unk>.
  std::vector<std::string> unknown_parts(std::string_view line) const;
  // The text of ids, valid UTF-8, in one line; pad, eos and other control ids are skipped. An id
  // outside the vocabulary is an Error(kData).
  std::string decode(std::span<const std::int32_t> ids) const;
  // One piece as it stands in the vocabulary ("▁Hund"); for reports.
  const std::string& piece(int id) const;
  // Returns true if a token starts a word: its piece starts with U+2581. Never true in a vocabulary
  // that marks the end of a word (treat_whitespace_as_suffix).
  bool starts_word(int id) const;

  // Writes spiece.model, tokenizer_config.json and special_tokens_map.json into an existing
  // directory, each durably: what transformers' AutoTokenizer needs.
  void save(const std::filesystem::path& directory) const;
  // A 64-bit hash (FNV-1a) of spiece.model, by which a checkpoint recognises its tokenizer.
  std::uint64_t hash() const;
  const SentencePieceTraits& traits() const;

 private:
  struct Impl;
  explicit Tokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace switchyard
