// SPDX-License-Identifier: Apache-2.0
#include "src/text/sentencepiece_tokenizer.h"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/hash.h"
#include "src/text/line_parts.h"
#include "src/text/tokenizer.h"
#include "src/text/utf8.h"

namespace switchyard {

namespace {

constexpr std::string_view kSpaceMark = "\u2581";

constexpr std::string_view kSpecialTokensMap = R"({
  "eos_token": "</s>",
  "pad_token": "<pad>",
  "unk_token": "<unk>"
}
)";

void check_status(const sentencepiece::util::Status& status, std::string_view what) {
  check(status.ok(), ErrorKind::kData, what, ": SentencePiece: ", status.ToString());
}

// A NormalizerSpec with add_dummy_prefix: false, which protobuf merges with the one before it.
constexpr std::string_view kNoDummyPrefix("\x1a\x02\x18\x00", 4);

// Python's str.strip().
std::string_view stripped(std::string_view text) {
  const std::u32string points = to_code_points(text);
  std::size_t begin = 0, end = text.size(), first = 0, last = points.size();
  const auto bytes = [](char32_t c) {
    return c < 0x80 ? 1u : c < 0x800 ? 2u : c < 0x10000 ? 3u : 4u;
  };
  for (; first < last && is_space(points[first]); ++first) begin += bytes(points[first]);
  for (; first < last && is_space(points[last - 1]); --last) end -= bytes(points[last - 1]);
  return text.substr(begin, end - begin);
}

class SentencePieceTokenizer : public TokenizerKind {
 public:
  SentencePieceTokenizer(std::string bytes, std::string_view shown, AddedTokenFiles files);

  int vocab_size() const override { return vocab_size_; }
  int pad_id() const override { return processor_.pad_id(); }
  int eos_id() const override { return processor_.eos_id(); }
  int unk_id() const override { return processor_.unk_id(); }
  int sentinel_id(int number) const override {
    const auto found = sentinels_.find(number);
    return found == sentinels_.end() ? -1 : found->second;
  }
  bool is_sentinel(int id) const override {
    const auto found = added_.find(id);
    return found != added_.end() && sentinel_number(found->second.content).has_value();
  }

  Ids encode(std::string_view text, Spelled spelled) const override;
  std::vector<std::string> unknown_parts(std::string_view text) const override;
  std::string decode(std::span<const std::int32_t> ids, Special special) const override;
  std::string_view piece(int id) const override;

  void save(const std::filesystem::path& directory) const override;
  std::uint64_t hash() const override { return hash_.value(); }
  const SentencePieceTraits& traits() const override { return traits_; }

 private:
  // Splits a long text into parts and calls take(tokens) for each; a Token is a string or an id.
  template <class Token, class F>
  void encode_parts(std::string_view text, F&& take) const {
    std::vector<Token> tokens;
    while (!text.empty()) {
      const std::string_view part = first_part(text, Tokenizer::kMaxPartBytes);
      text.remove_prefix(part.size());
      check_status(processor_.Encode({part.data(), part.size()}, &tokens), "encoding a line");
      take(tokens);
    }
  }
  // Appends the ids of a text between added tokens.
  void encode_text(std::string_view text, Ids& ids) const;
  // The same if the model does not prepend a space: keeps a space that the text starts with.
  void encode_with_space(std::string_view text, Ids& ids) const;
  bool is_control(int id) const { return id >= 0 && (id == pad_id() || id == eos_id()); }
  bool is_special(int id) const {
    const auto found = added_.find(id);
    return found != added_.end() ? found->second.special : is_control(id) || id == unk_id();
  }
  // Without added tokens.
  std::string decode_run(std::span<const int> ids) const;

  std::string bytes_;
  Fnv1a hash_;
  SentencePieceTraits traits_;
  sentencepiece::SentencePieceProcessor processor_;
  std::vector<std::pair<std::string, std::string>> files_;
  bool legacy_;
  int vocab_size_ = 0;
  std::map<int, AddedToken> added_;  // by id, without those of the model
  std::map<int, int> sentinels_;     // ids by number
  std::optional<TokenFinders> finders_;
};

SentencePieceTokenizer::SentencePieceTokenizer(std::string bytes, std::string_view shown,
                                               AddedTokenFiles files)
    : bytes_(std::move(bytes)), files_(std::move(files.files)), legacy_(files.legacy) {
  traits_ = with_context(shown, [&] { return check_sentencepiece_model(bytes_); });
  check_status(
      processor_.LoadFromSerializedProto(legacy_ ? bytes_ : bytes_ + std::string(kNoDummyPrefix)),
      shown);
  check(eos_id() >= 0, ErrorKind::kData, shown, ": no end-of-sentence piece, expected </s>");

  const int size = vocab_size_ = processor_.GetPieceSize();
  std::vector<AddedToken> tokens;
  for (const AddedToken& token : files.added) {
    check(token.id >= size || processor_.IdToPiece(token.id) == token.content, ErrorKind::kData,
          shown, ": piece ", token.id, " is ", escaped(piece(token.id)),
          ", expected the added token ", escaped(token.content));
    if (token.id >= size) added_.emplace(token.id, token);
    tokens.push_back(token);
    vocab_size_ = std::max(vocab_size_, token.id + 1);
  }
  for (const auto& [id, token] : added_)
    if (const auto number = sentinel_number(token.content)) sentinels_[*number] = id;
  // T5's sentinels need not be listed. They do not count for vocab_size(): a model may lack them.
  for (std::int64_t i = 0; i < files.extra_ids; ++i) {
    const auto number = static_cast<int>(i), id = static_cast<int>(size + files.extra_ids - 1 - i);
    if (sentinels_.contains(number) || added_.contains(id)) continue;
    const AddedToken token{"<extra_id_" + std::to_string(i) + ">", id, true, true, false, true};
    sentinels_[number] = id;
    added_.emplace(id, token);
    tokens.push_back(token);
  }
  hash_.add(bytes_);
  add_to_hash(files.added, hash_);
  const int controls[] = {pad_id(), eos_id(), unk_id()};
  for (const int id : controls)
    if (id >= 0) tokens.push_back({processor_.IdToPiece(id), id, false, false, false, true});
  finders_.emplace(tokens, controls, is_space);
}

void SentencePieceTokenizer::encode_text(std::string_view text, Ids& ids) const {
  encode_parts<int>(
      text, [&](const std::vector<int>& more) { ids.insert(ids.end(), more.begin(), more.end()); });
}

// SentencePiece strips leading spaces, so the text follows the spelling of <unk>, which is removed.
void SentencePieceTokenizer::encode_with_space(std::string_view text, Ids& ids) const {
  const std::string before = processor_.IdToPiece(unk_id());
  std::vector<int> prefix, more;
  check_status(processor_.Encode(before, &prefix), "encoding a line");
  while (!text.empty()) {
    const std::string_view part = first_part(text, Tokenizer::kMaxPartBytes);
    text.remove_prefix(part.size());
    const bool keep_space = part.starts_with(' ') || part.starts_with(kSpaceMark);
    check_status(processor_.Encode((keep_space ? before : "") + std::string(part), &more),
                 "encoding a line");
    const std::size_t skipped = keep_space && more.size() >= prefix.size() ? prefix.size() : 0;
    ids.insert(ids.end(), more.begin() + static_cast<std::ptrdiff_t>(skipped), more.end());
  }
}

Ids SentencePieceTokenizer::encode(std::string_view text, Spelled spelled) const {
  std::string changed;
  if (!legacy_ && !text.empty()) {
    changed = kSpaceMark;
    for (std::size_t at = 0; at < text.size();) {
      const bool is_mark = text.substr(at).starts_with(kSpaceMark);
      changed += is_mark ? ' ' : text[at];
      at += is_mark ? kSpaceMark.size() : 1;
    }
    text = changed;
  }
  Ids ids;
  std::vector<TextPart> parts;
  (*finders_)[spelled].split(text, parts);
  for (const TextPart& part : parts) {
    // The space before a line that starts with a special token is no token.
    if (!legacy_ && &part - parts.data() == 1 && part.id >= 0 && is_special(part.id) &&
        ids.size() == 1 && piece(ids[0]) == kSpaceMark)
      ids.clear();
    if (part.id >= 0)
      ids.push_back(part.id);
    else if (legacy_)
      encode_text(part.text, ids);
    else
      encode_with_space(part.text, ids);
  }
  if (ids.empty() || ids.back() != eos_id()) ids.push_back(eos_id());
  return ids;
}

std::vector<std::string> SentencePieceTokenizer::unknown_parts(std::string_view text) const {
  std::vector<std::string> unknown;
  std::vector<TextPart> parts;
  (*finders_)[Spelled::kText].split(text, parts);
  for (const TextPart& part : parts) {
    if (part.id >= 0) continue;
    encode_parts<std::string>(part.text, [&](const std::vector<std::string>& pieces) {
      for (const std::string& piece : pieces) {
        if (processor_.PieceToId(piece) != unk_id()) continue;
        // An unknown word includes the mark of the space before it.
        unknown.push_back(piece.starts_with(kSpaceMark) ? piece.substr(kSpaceMark.size()) : piece);
      }
    });
  }
  return unknown;
}

// Pieces after a control token follow it at once, unless another control token follows.
std::string SentencePieceTokenizer::decode_run(std::span<const int> ids) const {
  std::string text;
  std::vector<int> pieces;
  bool after_control = false;
  const auto take_pieces = [&] {
    std::string more;
    check_status(processor_.Decode(pieces, &more), "decoding");
    text += more;
    pieces.clear();
  };
  for (const int id : ids) {
    if (is_control(id)) {
      if (!after_control) text += ' ';
      take_pieces();
      text += processor_.IdToPiece(id);
    } else {
      pieces.push_back(id);
    }
    after_control = is_control(id);
  }
  take_pieces();
  return text;
}

// Added tokens stand between spaces.
std::string SentencePieceTokenizer::decode(std::span<const std::int32_t> ids,
                                           Special special) const {
  std::string text;
  std::vector<int> run;  // without added tokens
  const auto append = [&](std::string_view more) {
    if (!text.empty() && !more.empty()) text += ' ';
    text += more;
  };
  for (const std::int32_t id : ids) {
    const auto found = added_.find(id);
    const bool is_added = found != added_.end();
    if (special == Special::kLeaveOut && (is_control(id) || (is_added && found->second.special)))
      continue;
    if (is_added) {
      append(stripped(decode_run(run)));
      run.clear();
      append(found->second.content);
    } else if (id < processor_.GetPieceSize()) {
      run.push_back(id);
    }
  }
  const std::string rest = decode_run(run);
  if (text.empty() && special == Special::kLeaveOut && legacy_) return rest;
  append(stripped(rest));
  return text;
}

std::string_view SentencePieceTokenizer::piece(int id) const {
  const auto found = added_.find(id);
  if (found != added_.end()) return found->second.content;
  return id < processor_.GetPieceSize() ? std::string_view(processor_.IdToPiece(id))
                                        : std::string_view();
}

void SentencePieceTokenizer::save(const std::filesystem::path& directory) const {
  write_file_durably(directory / "spiece.model", bytes_);
  // Of another vocabulary, which load_directory() would read instead.
  std::filesystem::remove(directory / "tokenizer.json");
  if (files_.empty()) {
    write_file_durably(directory / "tokenizer_config.json", tokenizer_config(0));
    write_file_durably(directory / "special_tokens_map.json", kSpecialTokensMap);
  }
  for (const auto& [name, content] : files_) write_file_durably(directory / name, content);
}

}  // namespace

std::unique_ptr<TokenizerKind> make_sentencepiece_tokenizer(std::string bytes,
                                                            std::string_view name,
                                                            AddedTokenFiles files) {
  return std::make_unique<SentencePieceTokenizer>(std::move(bytes), escaped(name),
                                                  std::move(files));
}

}  // namespace switchyard
