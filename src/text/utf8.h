// SPDX-License-Identifier: Apache-2.0
// UTF-8 and the few Unicode properties that text needs, as Python 3 and sacreBLEU see them.
// Code points are char32_t; positions are bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace switchyard {

// The text with every maximal ill-formed subsequence (Unicode 15, 3.9, table 3-7: overlong forms,
// surrogates, values past U+10FFFF, cut sequences) replaced by U+FFFD. Adds their number to
// `replaced` where it is given.
std::string valid_utf8(std::string_view text, std::int64_t* replaced = nullptr);

// Code points of a text; ill-formed parts count as U+FFFD.
std::u32string to_code_points(std::string_view text);
void append_utf8(std::string& out, char32_t code_point);

// str.isspace() of Python: what str.split() and str.strip() cut at.
bool is_space(char32_t c);
// General category L*, P*, S* or N*: what leaves a mark on paper by itself.
bool is_visible(char32_t c);
// str.lower() of Python: full mapping, the final sigma included.
std::u32string lower(std::u32string_view text);

}  // namespace switchyard
