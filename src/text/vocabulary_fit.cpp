// SPDX-License-Identifier: Apache-2.0
#include "src/text/vocabulary_fit.h"

#include <algorithm>

#include "src/core/rng.h"
#include "src/text/scoring.h"
#include "src/text/utf8.h"

namespace switchyard {

namespace {

constexpr std::size_t kExamples = 3;
// Bounds the time that a text with few different unknown words takes.
constexpr std::int64_t kMaxSearched = 100;
// Characters shown on both sides of a change.
constexpr std::size_t kContext = 10;

bool has_unknown(const Tokenizer& tokenizer, std::span<const std::int32_t> ids) {
  return std::find(ids.begin(), ids.end(), tokenizer.unk_id()) != ids.end();
}

// The words with one space between them.
std::u32string squeezed(std::string_view line) {
  const std::u32string text = to_code_points(line);
  std::u32string result;
  for (const std::u32string_view word : split(text)) {
    if (!result.empty()) result += U' ';
    result += word;
  }
  return result;
}

// What stands at a place of the text, with some context, for messages.
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
    const Ids ids = tokenizer.encode(lines[at]);
    if (has_unknown(tokenizer, ids)) continue;
    const std::u32string before = squeezed(lines[at]);
    const std::u32string after = squeezed(tokenizer.decode(ids));
    if (before == after) continue;
    if (++result.changed == 1) show_first_change(before, after, result);
  }
  return result;
}

}  // namespace switchyard
