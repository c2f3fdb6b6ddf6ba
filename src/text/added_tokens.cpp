// SPDX-License-Identifier: Apache-2.0
#include "src/text/added_tokens.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "src/core/utf8.h"

namespace switchyard {

namespace {

// Without tokens that have the same content as one before.
std::vector<AddedToken> distinct(std::vector<AddedToken> tokens) {
  std::set<std::string> seen;
  std::erase_if(tokens, [&](const AddedToken& t) { return !seen.insert(t.content).second; });
  return tokens;
}

std::vector<std::string> contents(const std::vector<AddedToken>& tokens) {
  std::vector<std::string> found;
  for (const AddedToken& token : tokens) found.push_back(token.content);
  return found;
}

}  // namespace

std::optional<std::int32_t> sentinel_number(std::string_view content) {
  constexpr std::string_view kPrefix = "<extra_id_";
  if (!content.starts_with(kPrefix) || !content.ends_with('>')) return std::nullopt;
  content.remove_prefix(kPrefix.size());
  content.remove_suffix(1);
  std::int32_t number = -1;
  const auto [end, error] =
      std::from_chars(content.data(), content.data() + content.size(), number);
  if (error != std::errc() || end != content.data() + content.size() || number < 0)
    return std::nullopt;
  return number;
}

TokenFinder::TokenFinder(std::vector<AddedToken> tokens, bool (*is_space)(char32_t))
    : tokens_(distinct(std::move(tokens))), trie_(contents(tokens_)), is_space_(is_space) {
  for (const AddedToken& token : tokens_)
    is_first_[static_cast<unsigned char>(token.content[0])] = true;
}

// As AddedVocabulary::find_matches of `tokenizers` 0.23.3: whitespace that a token takes on its
// right may still be the start of the next token.
void TokenFinder::split(std::string_view text, std::vector<TextPart>& parts) const {
  std::size_t done = 0;  // end of the last part
  const auto take_text = [&](std::size_t end) {
    if (done < end) parts.push_back({text.substr(done, end - done)});
  };
  for (std::size_t at = 0; at < text.size();) {
    std::size_t bytes = 0;
    const AddedToken* token = nullptr;
    if (is_first_[static_cast<unsigned char>(text[at])])
      trie_.prefixes(text.substr(at), [&](std::size_t longer, std::int32_t index) {
        bytes = longer;
        token = &tokens_[static_cast<std::size_t>(index)];
      });
    if (!token) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = at += bytes;
    if (token->lstrip) {
      while (begin > done) {
        std::size_t before = begin - 1;
        while (before > done && (static_cast<unsigned char>(text[before]) & 0xC0) == 0x80) --before;
        if (!is_space_(decode_first(text.substr(before)).code_point)) break;
        begin = before;
      }
    }
    if (token->rstrip) {
      while (end < text.size()) {
        const Decoded next = decode_first(text.substr(end));
        if (!is_space_(next.code_point)) break;
        end += next.bytes;
      }
    }
    take_text(begin);
    parts.push_back({text.substr(begin, end - begin), token->id});
    done = end;
  }
  take_text(text.size());
}

TokenFinders::TokenFinders(std::span<const AddedToken> tokens,
                           std::span<const std::int32_t> controls, bool (*is_space)(char32_t)) {
  for (const Spelled spelled : {Spelled::kText, Spelled::kSentinels, Spelled::kAll}) {
    std::vector<AddedToken> found;
    for (const AddedToken& token : tokens) {
      const bool is_control =
          std::find(controls.begin(), controls.end(), token.id) != controls.end();
      const bool is_found = is_control                       ? spelled == Spelled::kAll
                            : sentinel_number(token.content) ? spelled != Spelled::kText
                                                             : true;
      if (is_found) found.push_back(token);
    }
    finders_.emplace_back(std::move(found), is_space);
  }
}

}  // namespace switchyard
