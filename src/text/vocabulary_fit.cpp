// SPDX-License-Identifier: Apache-2.0
#include "src/text/vocabulary_fit.h"

#include <algorithm>

#include "src/core/rng.h"
#include "src/text/scoring.h"
#include "src/text/utf8.h"

namespace switchyard {

namespace {

constexpr std::size_t kExamples = 3;
// Bounds the time spent on a text with few distinct unknown words.
constexpr std::int64_t kMaxSearched = 100;
// Number of characters to show on either side of a change.
constexpr std::size_t kContext = 10;

bool has_unknown(const Tokenizer& tokenizer, std::span<const std::int32_t> ids) {
  return std::find(ids.begin(), ids.end(), tokenizer.unk_id()) != ids.end();
}

// Joins the words with single spaces.
std::u32string squeezed(std::string_view line) {
  const std::u32string text = to_code_points(line);
  std::u32string result;
  for (const std::u32string_view word : split(text)) {
    if (!result.empty()) result += U' ';
    result += word;
  }
  return result;
}

// The text around a position, for messages.
std::string excerpt(std::u32string_view text, std::size_t place) {
  const std::size_t begin = place - std::min(place, kContext), end = place + kContext;
  std::string result = begin > 0 ? "..." : "";
  for (const char32_t c : text.substr(begin, end - begin)) append_utf8(result, c);
  return result + (end < text.size() ? "..." : "");
}

void show_first_change(std::u32string_view before, std::u32string_view after,
                       ChangedLines& result) {
  const auto at = std::mismatch(before.begin(), before.end(), after.begin(), after.end());
  const auto place = static_cast<std::size_t>(at.first - before.begin());
  result.before = excerpt(before, place);
  result.after = excerpt(after, place);
}

}  // namespace

void UnknownTokens::add(const Tokenizer& tokenizer, std::span<const std::int32_t> ids,
                        std::string_view text) {
  const auto unknown = std::count(ids.begin(), ids.end(), tokenizer.unk_id());
  tokens_ += static_cast<std::int64_t>(ids.size()) - 1;
  unknown_ += unknown;
  if (unknown > 0 && examples_.size() < kExamples && searched_ < kMaxSearched)
    look_for_examples(tokenizer, text);
}

void UnknownTokens::look_for_examples(const Tokenizer& tokenizer, std::string_view text) {
  ++searched_;
  for (std::string& word : tokenizer.unknown_parts(text)) {
    if (examples_.size() == kExamples) return;
    if (std::find(examples_.begin(), examples_.end(), word) == examples_.end())
      examples_.push_back(std::move(word));
  }
}

ChangedLines changed_lines(const Tokenizer& tokenizer, const std::vector<std::string>& lines,
                           std::int64_t sample) {
  Rng rng(0);
  ChangedLines result;
  const auto count = static_cast<std::int64_t>(lines.size());
  result.lines = std::min(sample, count);
  for (std::int64_t i = 0; i < result.lines; ++i) {
    const std::size_t at = count > sample ? static_cast<std::size_t>(rng.below(lines.size()))
                                          : static_cast<std::size_t>(i);
    if (lines[at].size() > Tokenizer::kMaxPartBytes) continue;  // splitting may change it too
    const Ids ids = tokenizer.encode(lines[at]);
    if (has_unknown(tokenizer, ids)) continue;
    const std::u32string before = squeezed(lines[at]);
    const std::u32string after = squeezed(tokenizer.decode(ids));
    if (before == after) continue;
    if (++result.changed == 1) show_first_change(before, after, result);
  }
  return result;
}

// The ids of 26 texts under 20 models, compared with sentencepiece 0.2.3. Texts that differ:
//                                   transformers 5.24.0    4.57.6, AutoTokenizer
//                                   (all are T5Tokenizer)  (T5TokenizerFast)
//   add_dummy_prefix: false         all                    all
//   treat_whitespace_as_suffix      all                    all
//   escape_whitespaces: false       all                    all
//   pad, eos, unk with other names  all                    all
//   byte_fallback                   unknown characters     unknown characters
//   user-defined symbols            those symbols          those symbols
//   unused pieces                   such a piece's text    such a piece's text
//   remove_extra_whitespaces: false runs of spaces         runs of spaces
//   normalization identity          tabs, U+3000, U+2581   U+2581
//   normalization nfkc, nfkc_cf     tabs, U+2028, U+2581   U+2581
//   nmt_nfkc, nmt_nfkc_cf, split_digits, split_by_whitespace: false, bos: none
// The slow T5Tokenizer of 4.57.6 calls SentencePiece; only the names make a difference there.
std::vector<std::string> differences_in_transformers(const Tokenizer& tokenizer) {
  const SentencePieceTraits& traits = tokenizer.traits();
  const auto is_named = [&](int id, const char* name) {
    return id < 0 || tokenizer.piece(id) == name;
  };
  std::vector<std::string> found;
  const auto note = [&](bool differs, const char* reason) {
    if (differs) found.emplace_back(reason);
  };
  note(!traits.add_dummy_prefix, "add_dummy_prefix is false");
  note(traits.treat_whitespace_as_suffix, "treat_whitespace_as_suffix is true");
  note(!traits.escape_whitespaces, "escape_whitespaces is false");
  note(!is_named(tokenizer.pad_id(), "<pad>") || !is_named(tokenizer.eos_id(), "</s>") ||
           !is_named(tokenizer.unk_id(), "<unk>"),
       "the control pieces are not named <pad>, </s> and <unk>");
  note(traits.byte_fallback, "byte_fallback is true");
  note(traits.user_defined > 0, "it has user-defined symbols");
  note(traits.unused > 0, "it has unused pieces");
  note(!traits.remove_extra_whitespaces, "remove_extra_whitespaces is false");
  note(tokenizer.encode("a\tb") != tokenizer.encode("a b"),
       "its normalization keeps tabs (identity, nfkc)");
  return found;
}

}  // namespace switchyard
