// SPDX-License-Identifier: Apache-2.0
// UTF-8 and the few Unicode properties that text processing needs, as Python 3 and sacreBLEU define
// them. Code points are char32_t; positions are in bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace switchyard {

// Replaces every maximal ill-formed subsequence (Unicode 15, section 3.9, table 3-7: overlong
// forms, surrogates, values above U+10FFFF, truncated sequences) with U+FFFD. Adds the number of
// replacements to `replaced` unless it is null.
std::string valid_utf8(std::string_view text, std::int64_t* replaced = nullptr);

// Decodes a text; ill-formed parts become U+FFFD.
std::u32string to_code_points(std::string_view text);
void append_utf8(std::string& out, char32_t code_point);

// Python's str.isspace(): the characters at which str.split() and str.strip() split and strip.
bool is_space(char32_t c);
// Unicode's property White_Space: as above without U+001C to U+001F.
bool is_white_space(char32_t c);
// General category L*, P*, S* or N*: the character is visible on its own.
bool is_visible(char32_t c);
// Python's str.lower(): full case mapping, including the final sigma.
std::u32string lower(std::u32string_view text);

}  // namespace switchyard
