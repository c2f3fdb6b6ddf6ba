// SPDX-License-Identifier: Apache-2.0
#include "src/text/json_tokenizer.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/hash.h"
#include "src/core/utf8.h"
#include "src/text/graphemes.h"
#include "src/text/tokenizer_json.h"
#include "src/text/unigram.h"
#include "src/text/utf8.h"

namespace switchyard {

namespace {

constexpr std::string_view kSpaceMark = "\u2581";
// `tokenizers` looks up whole grapheme clusters only if they are shorter.
constexpr std::size_t kLongClusterBytes = 6;

// Replaces grapheme clusters, or their characters, by the rules.
std::string normalized(const Charsmap& rules, std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    std::string_view cluster = text.substr(0, first_grapheme(text));
    text.remove_prefix(cluster.size());
    if (cluster.size() < kLongClusterBytes) {
      if (const auto replacement = rules.shortest(cluster)) {
        result += *replacement;
        continue;
      }
    }
    while (!cluster.empty()) {
      const std::string_view character = cluster.substr(0, decode_first(cluster).bytes);
      cluster.remove_prefix(character.size());
      result += rules.shortest(character).value_or(character);
    }
  }
  return result;
}

// Calls take(word) for the parts of a text between whitespace, each with a space mark at its
// beginning and none elsewhere.
template <class F>
void for_each_word(std::string_view text, F&& take) {
  std::string word;
  const auto flush = [&] {
    if (!word.empty()) take(std::string_view(word));
    word.clear();
  };
  while (!text.empty()) {
    const Decoded next = decode_first(text);
    const std::string_view character = text.substr(0, next.bytes);
    text.remove_prefix(next.bytes);
    if (character == kSpaceMark || is_white_space(next.code_point)) flush();
    if (is_white_space(next.code_point)) continue;
    if (word.empty() && character != kSpaceMark) word = kSpaceMark;
    word += character;
  }
  flush();
}

class JsonTokenizer : public TokenizerKind {
 public:
  JsonTokenizer(std::string bytes, TokenizerJson file, AddedTokenFiles files);

  int vocab_size() const override { return vocab_size_; }
  int pad_id() const override { return pad_id_; }
  int eos_id() const override { return eos_id_; }
  int unk_id() const override { return unigram_.unk_id(); }
  int sentinel_id(int number) const override {
    const auto found = sentinels_.find(number);
    return found == sentinels_.end() ? -1 : found->second;
  }
  bool is_sentinel(int id) const override {
    const auto found = added_.find(id);
    return found != added_.end() && sentinel_number(found->second.content).has_value();
  }

  Ids encode(std::string_view text, Spelled spelled) const override {
    Ids ids;
    for_each_segment(text, spelled, [&](const Unigram::Segment& s) { ids.push_back(s.id); });
    ids.push_back(eos_id_);
    return ids;
  }
  std::vector<std::string> unknown_parts(std::string_view text) const override;
  std::string decode(std::span<const std::int32_t> ids, Special special) const override;
  std::string_view piece(int id) const override;

  void save(const std::filesystem::path& directory) const override;
  std::uint64_t hash() const override { return hash_.value(); }
  const SentencePieceTraits& traits() const override { return traits_; }

 private:
  template <class F>
  void for_each_segment(std::string_view text, Spelled spelled, F&& take) const;

  std::string bytes_;
  std::vector<std::pair<std::string, std::string>> files_;
  Fnv1a hash_;
  Unigram unigram_;
  Charsmap rules_;
  int eos_id_, pad_id_ = -1, vocab_size_ = 0;
  std::map<int, AddedToken> added_;  // by id
  std::map<int, int> sentinels_;     // ids by number
  std::optional<TokenFinders> raw_, normalized_;
  // For each Spelled, the pieces that no text may spell out: the vocabulary has control tokens and
  // sentinels among its words.
  std::array<std::vector<bool>, 3> hidden_;
  SentencePieceTraits traits_;
};

JsonTokenizer::JsonTokenizer(std::string bytes, TokenizerJson file, AddedTokenFiles files)
    : bytes_(std::move(bytes)),
      files_(std::move(files.files)),
      unigram_(file.pieces, std::move(file.scores), file.unk_id),
      rules_(std::move(file.rules)),
      eos_id_(file.eos_id),
      pad_id_(unigram_.find(files.pad_token)),
      vocab_size_(unigram_.size()) {
  const auto add = [&](const AddedToken& token) {
    const std::string shown = escaped(token.content);
    const int known = unigram_.find(token.content);
    check(known < 0 || known == token.id, ErrorKind::kData, "added token ", shown, ": id ",
          token.id, ", expected ", known, " as in the vocabulary");
    check(known >= 0 || token.id >= unigram_.size(), ErrorKind::kData, "added token ", shown,
          ": id ", token.id, ", expected at least ", unigram_.size(),
          ", as it is not in the vocabulary");
    added_.insert_or_assign(token.id, token);
  };
  if (!files.complete)
    for (const AddedToken& token : file.added) add(token);
  for (const AddedToken& token : files.added)
    if (files.complete || !added_.contains(token.id)) add(token);
  hash_.add(bytes_);
  add_to_hash(files.added, hash_);
  for (const int id : {pad_id_, eos_id_, unigram_.unk_id()})
    if (id >= 0 && !added_.contains(id))
      add({std::string(unigram_.piece(id)), id, false, false, false, true});

  std::vector<AddedToken> raw, in_normalized;
  for (auto& [id, token] : added_) {
    vocab_size_ = std::max(vocab_size_, id + 1);
    if (const auto number = sentinel_number(token.content)) sentinels_[*number] = id;
    // `tokenizers` also decodes it to its normalized form. One that is empty then is never found.
    if (token.normalized) token.content = normalized(rules_, token.content);
    if (!token.content.empty()) (token.normalized ? in_normalized : raw).push_back(token);
  }
  const int controls[] = {pad_id_, eos_id_, unigram_.unk_id()};
  for (std::vector<bool>& hidden : hidden_)
    hidden.resize(static_cast<std::size_t>(unigram_.size()));
  const auto hide = [&](Spelled spelled, int id) {
    if (id >= 0 && id < unigram_.size())
      hidden_[static_cast<std::size_t>(spelled)][static_cast<std::size_t>(id)] = true;
  };
  for (const int id : controls) {
    hide(Spelled::kText, id);
    hide(Spelled::kSentinels, id);
  }
  for (const auto& [number, id] : sentinels_) hide(Spelled::kText, id);
  raw_.emplace(raw, controls, is_white_space);
  normalized_.emplace(in_normalized, controls, is_white_space);
}

template <class F>
void JsonTokenizer::for_each_segment(std::string_view text, Spelled spelled, F&& take) const {
  std::vector<TextPart> parts, parts_of_part;
  std::vector<Unigram::Segment> segments;
  (*raw_)[spelled].split(text, parts);
  for (const TextPart& part : parts) {
    if (part.id >= 0) {
      take(Unigram::Segment{part.text, part.id});
      continue;
    }
    const std::string changed =
        rules_.empty() ? std::string(part.text) : normalized(rules_, part.text);
    parts_of_part.clear();
    (*normalized_)[spelled].split(changed, parts_of_part);
    for (const TextPart& inner : parts_of_part) {
      if (inner.id >= 0) {
        take(Unigram::Segment{inner.text, inner.id});
        continue;
      }
      for_each_word(inner.text, [&](std::string_view word) {
        segments.clear();
        unigram_.segment(word, hidden_[static_cast<std::size_t>(spelled)], segments);
        for (const Unigram::Segment& segment : segments) take(segment);
      });
    }
  }
}

std::vector<std::string> JsonTokenizer::unknown_parts(std::string_view text) const {
  std::vector<std::string> unknown;
  for_each_segment(text, Spelled::kText, [&](const Unigram::Segment& segment) {
    if (segment.id != unk_id()) return;
    std::string_view part = segment.text;
    if (part.starts_with(kSpaceMark)) part.remove_prefix(kSpaceMark.size());
    unknown.emplace_back(part);
  });
  return unknown;
}

std::string_view JsonTokenizer::piece(int id) const {
  const auto found = added_.find(id);
  if (found != added_.end()) return found->second.content;
  return id < unigram_.size() ? unigram_.piece(id) : std::string_view();
}

// Space marks become spaces, except in the first token that is not left out.
std::string JsonTokenizer::decode(std::span<const std::int32_t> ids, Special special) const {
  std::string text;
  bool first = true;
  for (const std::int32_t id : ids) {
    const auto found = added_.find(id);
    if (special == Special::kLeaveOut && found != added_.end() && found->second.special) continue;
    for (std::string_view rest = piece(id); !rest.empty();) {
      const bool is_mark = rest.starts_with(kSpaceMark);
      const std::size_t bytes = is_mark ? kSpaceMark.size() : 1;
      if (!is_mark)
        text += rest[0];
      else if (!first)
        text += ' ';
      rest.remove_prefix(bytes);
    }
    first = false;
  }
  return text;
}

void JsonTokenizer::save(const std::filesystem::path& directory) const {
  write_file_durably(directory / "tokenizer.json", bytes_);
  if (files_.empty())
    write_file_durably(directory / "tokenizer_config.json",
                       tokenizer_config(static_cast<std::int64_t>(sentinels_.size())));
  for (const auto& [name, content] : files_) write_file_durably(directory / name, content);
}

}  // namespace

std::unique_ptr<TokenizerKind> make_json_tokenizer(std::string bytes, std::string_view name,
                                                   AddedTokenFiles files) {
  TokenizerJson file = parse_tokenizer_json(bytes, name);
  return with_context(escaped(name), [&] {
    return std::make_unique<JsonTokenizer>(std::move(bytes), std::move(file), std::move(files));
  });
}

}  // namespace switchyard
