// SPDX-License-Identifier: Apache-2.0
#include "src/text/utf8.h"

#include "tests/support/catch.h"

using namespace switchyard;

namespace {

std::string to_utf8(std::u32string_view code_points) {
  std::string out;
  for (const char32_t c : code_points) append_utf8(out, c);
  return out;
}

}  // namespace

TEST_CASE("ill-formed UTF-8 becomes U+FFFD, one for each maximal subpart") {
  // Unicode 15, table 3-8 and section 3.9.
  const auto [bytes, expected, count] = GENERATE(table<std::string, std::string, int>({
      {"", "", 0},
      {"aä€😀", "aä€😀", 0},
      {"\xC0\xAF", "\uFFFD\uFFFD", 2},
      {"\xED\xA0\x80", "\uFFFD\uFFFD\uFFFD", 3},
      {"\xF5z", "\uFFFDz", 1},
      {"\xF4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD", 4},
      {"a\xE2\x82", "a\uFFFD", 1},
      {"\xF0\x9F\x98z", "\uFFFDz", 1},
      {"\xE0\x80\x80", "\uFFFD\uFFFD\uFFFD", 3},
      {std::string("a\0b", 3), std::string("a\0b", 3), 0},
  }));
  std::int64_t replaced = 0;
  CHECK(valid_utf8(bytes, &replaced) == expected);
  CHECK(replaced == count);
  CHECK(to_utf8(to_code_points(bytes)) == expected);
}

TEST_CASE("every code point is encoded and decoded") {
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string bytes;
    append_utf8(bytes, c);
    const std::u32string back = to_code_points(bytes);
    if (back.size() == 1 && back[0] == c) continue;
    CAPTURE(static_cast<unsigned>(c));
    CHECK(false);
  }
}

TEST_CASE("lower case as Python's str.lower()") {
  const auto low = [](const char* text) { return to_utf8(lower(to_code_points(text))); };
  CHECK(low("GRÖSSE ẞ") == "grösse ß");
  CHECK(low("İ") == "i\u0307");
  CHECK(low("ΟΔΟΣ ΣΑΣ. Σ Α'Σ ΑΣ'Α") == "οδος σας. σ α'ς ασ'α");  // final sigma
}

TEST_CASE("whitespace as Python's str.isspace()") {
  for (const char32_t c :
       U"\t\n\v\f\r\x1c\x1d\x1e\x1f \u0085\u00A0\u1680\u2009\u2028\u2029\u202F\u205F\u3000")
    if (c != 0) CHECK(is_space(c));
  for (const char32_t c : U"\u200B\uFEFF\u180E\u2060x")
    if (c != 0) CHECK(!is_space(c));
}
