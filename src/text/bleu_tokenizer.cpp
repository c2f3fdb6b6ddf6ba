// SPDX-License-Identifier: Apache-2.0
#include "src/text/bleu_tokenizer.h"

#include <utility>

#include "src/core/error.h"
#include "src/text/unicode_classes.h"
#include "src/text/utf8.h"

namespace switchyard {

namespace {

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }
bool is_stop(char32_t c) { return c == '.' || c == ','; }

// Python's re.sub over pairs of characters: writes a matching pair (first, second) as `before`,
// first, a space, second, `after`, and continues after the pair.
template <class First, class Second>
std::u32string space_pairs(std::u32string_view text, First first, Second second,
                           std::u32string_view before, std::u32string_view after) {
  std::u32string out;
  out.reserve(text.size() * 2);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i + 1 < text.size() && first(text[i]) && second(text[i + 1])) {
      out += before;
      out += text[i];
      out += U' ';
      out += text[++i];
      out += after;
    } else {
      out += text[i];
    }
  }
  return out;
}

template <class Matches>
std::u32string space_around(std::u32string_view text, Matches matches) {
  std::u32string out;
  out.reserve(text.size() * 2);
  for (const char32_t c : text) {
    if (matches(c)) {
      out += U' ';
      out += c;
      out += U' ';
    } else {
      out += c;
    }
  }
  return out;
}

void replace_all(std::u32string& text, std::u32string_view from, std::u32string_view to) {
  for (auto at = text.find(from); at != text.npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

std::u32string_view strip(std::u32string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// The part of 13a that zh shares.
std::u32string western(std::u32string_view line) {
  std::u32string text = space_around(line, [](char32_t c) {
    return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= ' ' && c <= '&') ||
           (c >= '(' && c <= '+') || (c >= ':' && c <= '@') || c == '/';
  });
  const auto is_not_digit = [](char32_t c) { return !is_digit(c); };
  text = space_pairs(text, is_not_digit, is_stop, U"", U" ");
  text = space_pairs(text, is_stop, is_not_digit, U" ", U"");
  return space_pairs(
      text, is_digit, [](char32_t c) { return c == '-'; }, U"", U" ");
}

std::u32string tokenize_13a(std::u32string line) {
  replace_all(line, U"<skipped>", U"");
  replace_all(line, U"-\n", U"");
  replace_all(line, U"\n", U" ");
  replace_all(line, U"&quot;", U"\"");
  replace_all(line, U"&amp;", U"&");
  replace_all(line, U"&lt;", U"<");
  replace_all(line, U"&gt;", U">");
  return western(U" " + line + U" ");
}

// sacreBLEU's ranges as they work in practice. Two are written with five hexadecimal digits, which
// Python reads as two characters: they begin after U+2000 and U+2F80 and end at U+2A6D and U+2FA1.
// Adjacent ranges are merged here.
bool is_chinese(char32_t c) {
  return (c >= 0x3400 && c <= 0x4DB5) || (c >= 0x4E00 && c <= 0x9FBB) ||
         (c >= 0xF900 && c <= 0xFA2D) || (c >= 0xFA30 && c <= 0xFA6A) ||
         (c >= 0xFA70 && c <= 0xFAD9) || (c >= 0x2001 && c <= 0x2A6D) ||
         (c >= 0xFF00 && c <= 0xFFEF) || (c >= 0x2E80 && c <= 0x2FDF) ||
         (c >= 0x2FF0 && c <= 0x303F) || (c >= 0x3100 && c <= 0x312F) ||
         (c >= 0x31A0 && c <= 0x31EF) || (c >= 0x3200 && c <= 0x33FF) ||
         (c >= 0xFE10 && c <= 0xFE1F) || (c >= 0xFE30 && c <= 0xFE4F);
}

std::u32string tokenize_intl(std::u32string_view line) {
  const auto is_not_number = [](char32_t c) { return !is_number(c); };
  std::u32string text = space_pairs(line, is_not_number, is_punctuation, U"", U" ");
  text = space_pairs(text, is_punctuation, is_not_number, U" ", U"");
  return space_around(text, is_symbol);
}

}  // namespace

std::u32string bleu_tokenize(std::string_view name, std::u32string line) {
  if (name == "13a") return tokenize_13a(std::move(line));
  if (name == "none") return line;
  if (name == "char") return space_around(line, [](char32_t) { return true; });
  if (name == "zh") return western(space_around(strip(line), is_chinese));
  if (name == "intl") return tokenize_intl(line);
  fail(ErrorKind::kUsage, "tokenizer '", escaped(name),
       "', expected one of: 13a, none, char, zh, intl");
}

}  // namespace switchyard
