// SPDX-License-Identifier: Apache-2.0
#include "src/text/tokenizer.h"

#include <algorithm>
#include <utility>

#include "src/core/error.h"
#include "src/core/file.h"
#include "src/text/json_tokenizer.h"
#include "src/text/sentencepiece_tokenizer.h"
#include "src/text/tokenizer_kind.h"
#include "src/text/utf8.h"
#include "src/text/vocabulary_trainer.h"

namespace switchyard {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxModelBytes = std::size_t{64} << 20;
// Encoding takes about 30 bytes of memory per byte, so longer lines are cropped.
constexpr std::size_t kMaxLineBytes = std::size_t{1} << 20;
constexpr std::string_view kSpaceMark = "\u2581";

bool is_there(const fs::path& path) {
  std::error_code error;  // ignored: opening the path reports it
  return fs::exists(path, error);
}

// A SentencePiece model cannot start with a brace, which would be the field key 15 with wire
// type 3.
bool is_json(std::string_view bytes) {
  const std::size_t first = bytes.find_first_not_of(" \t\r\n");
  return first != bytes.npos && bytes[first] == '{';
}

std::unique_ptr<TokenizerKind> make_kind(std::string bytes, std::string_view name,
                                         AddedTokenFiles files) {
  return is_json(bytes) ? make_json_tokenizer(std::move(bytes), name, std::move(files))
                        : make_sentencepiece_tokenizer(std::move(bytes), name, std::move(files));
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<TokenizerKind> kind) : kind_(std::move(kind)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const fs::path& path) {
  return from_bytes(read_file(path, kMaxModelBytes), path.string());
}

std::optional<fs::path> Tokenizer::find(const fs::path& directory) {
  for (const char* name : {"tokenizer.json", "spiece.model"})
    if (is_there(directory / name)) return directory / name;
  return std::nullopt;
}

Tokenizer Tokenizer::load_directory(const fs::path& directory) {
  const fs::path path = find(directory).value_or(directory / "spiece.model");
  std::string bytes = read_file(path, kMaxModelBytes);
  return Tokenizer(make_kind(std::move(bytes), path.string(), read_added_token_files(directory)));
}

Tokenizer Tokenizer::from_bytes(std::string bytes, std::string_view name) {
  AddedTokenFiles none;
  none.extra_ids = 0;
  return Tokenizer(make_kind(std::move(bytes), name, std::move(none)));
}

Tokenizer Tokenizer::train(const NextSentence& next, std::int64_t vocab_size,
                           const std::string& normalization) {
  return from_bytes(train_vocabulary(next, vocab_size, kMaxTrainingLines, normalization),
                    "trained vocabulary");
}

int Tokenizer::vocab_size() const { return kind_->vocab_size(); }
int Tokenizer::pad_id() const { return kind_->pad_id(); }
int Tokenizer::eos_id() const { return kind_->eos_id(); }
int Tokenizer::unk_id() const { return kind_->unk_id(); }
int Tokenizer::sentinel_id(int number) const { return kind_->sentinel_id(number); }
bool Tokenizer::is_sentinel(int id) const { return kind_->is_sentinel(id); }

std::vector<std::string> Tokenizer::unknown_parts(std::string_view line) const {
  return kind_->unknown_parts(valid_utf8(line.substr(0, kMaxLineBytes)));
}

Ids Tokenizer::encode(std::string_view line, std::int64_t* replaced, Spelled spelled) const {
  return kind_->encode(valid_utf8(line.substr(0, kMaxLineBytes), replaced), spelled);
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids, Special special) const {
  for (const auto id : ids) check_id(id);
  std::string text = kind_->decode(ids, special);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return valid_utf8(text);
}

std::string_view Tokenizer::piece(int id) const {
  check_id(id);
  return kind_->piece(id);
}

bool Tokenizer::starts_word(int id) const { return piece(id).starts_with(kSpaceMark); }

void Tokenizer::save(const fs::path& directory) const { kind_->save(directory); }
std::uint64_t Tokenizer::hash() const { return kind_->hash(); }
const SentencePieceTraits& Tokenizer::traits() const { return kind_->traits(); }

void Tokenizer::check_id(int id) const {
  check((id >= 0 && id < vocab_size()) || is_sentinel(id), ErrorKind::kData, "token id ", id,
        ", expected one below ", vocab_size());
}

}  // namespace switchyard
