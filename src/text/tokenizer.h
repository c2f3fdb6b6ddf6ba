// SPDX-License-Identifier: Apache-2.0
// Converts text to token ids and back with a unigram model (Kudo 2018, arXiv 1804.10959): that of a
// spiece.model, as SentencePiece does, or that of a tokenizer.json, as transformers 5 does. The two
// give different ids for some texts, even if they hold the same pieces. Models trained here have
// T5's ids: pad 0, eos 1, unk 2; loaded models keep their own. An encoded line ends in eos. The one
// surprise: a control token spelled out in the text ("</s>", "<pad>") stays text, unless asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/core/ids.h"
#include "src/text/sentencepiece_model.h"
#include "src/text/special_tokens.h"

namespace switchyard {

class TokenizerKind;

class Tokenizer {
 public:
  // Reads a spiece.model or tokenizer.json, told apart by content. Error(kData) naming the file if
  // it is damaged or of another kind, which for a spiece.model is checked before SentencePiece
  // parses it: version 0.1.97 crashes on hostile models.
  static Tokenizer load(const std::filesystem::path& path);
  // The same for the bytes of such a file, which messages call `name`.
  static Tokenizer from_bytes(std::string bytes, std::string_view name);
  // The file of a model directory that load_directory() reads: tokenizer.json if there is one, as
  // in transformers 5, else spiece.model; nullopt if there is neither.
  static std::optional<std::filesystem::path> find(const std::filesystem::path& directory);
  // Reads that file and the tokens added to its vocabulary (tokenizer_config.json,
  // added_tokens.json, special_tokens_map.json).
  static Tokenizer load_directory(const std::filesystem::path& directory);

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

  // Number of tokens, with added ones. T5's sentinels count only if the directory's files list
  // them.
  int vocab_size() const;
  int pad_id() const;  // -1 if the model has none
  int eos_id() const;
  int unk_id() const;
  // The id of <extra_id_N>, or -1 if there is no such token.
  int sentinel_id(int number) const;
  bool is_sentinel(int id) const;

  // Longer lines are encoded in parts, split at spaces. A split elsewhere decodes to a space.
  static constexpr std::size_t kMaxPartBytes = std::size_t{8} << 10;
  // Returns the ids of a line, ending in eos; a blank line gives only eos. Ill-formed UTF-8 is read
  // as U+FFFD; the number of replacements is added to `replaced`. Only the first MiB of a line is
  // encoded, to bound memory. Thread-safe.
  Ids encode(std::string_view line, std::int64_t* replaced = nullptr,
             Spelled spelled = Spelled::kText) const;
  // The parts of the normalized line that encode() turns into <unk>.
  std::vector<std::string> unknown_parts(std::string_view line) const;
  // Returns the text of `ids` as one line of valid UTF-8, without pad, eos and other special tokens
  // unless these are to be shown. Error(kData) if an id is neither in the vocabulary nor a
  // sentinel.
  std::string decode(std::span<const std::int32_t> ids, Special special = Special::kLeaveOut) const;
  // The text of a token: "▁Hund".
  std::string_view piece(int id) const;
  // Returns true if a token starts a word, that is, if its text starts with U+2581. Never true in a
  // vocabulary that marks the ends of words instead (treat_whitespace_as_suffix).
  bool starts_word(int id) const;

  // Writes the file it was read from and the other files that transformers' AutoTokenizer needs
  // into an existing directory, each durably.
  void save(const std::filesystem::path& directory) const;
  // A 64-bit FNV-1a hash of the file, by which a checkpoint recognizes its tokenizer.
  std::uint64_t hash() const;
  // Of a spiece.model; the defaults for a tokenizer.json.
  const SentencePieceTraits& traits() const;

 private:
  explicit Tokenizer(std::unique_ptr<TokenizerKind> kind);
  void check_id(int id) const;
  std::unique_ptr<TokenizerKind> kind_;
};

}  // namespace switchyard
