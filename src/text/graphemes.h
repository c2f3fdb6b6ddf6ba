// SPDX-License-Identifier: Apache-2.0
// Extended grapheme clusters: what a reader takes for one character (Unicode Standard Annex #29,
// rules GB3 to GB999, with Indic conjuncts, GB9c). From a table of our own, as `tokenizers` 0.23.3
// follows Unicode 17.0, and the distributions' libraries 15.0 to 16.0 (Debian 12: utf8proc 2.8 and
// ICU 72; Debian 13: utf8proc 2.9 and ICU 76).
#pragma once

#include <cstddef>
#include <string_view>

namespace switchyard {

// The number of bytes of the first grapheme cluster of a non-empty text. Ill-formed UTF-8 counts as
// U+FFFD.
std::size_t first_grapheme(std::string_view text);

}  // namespace switchyard
