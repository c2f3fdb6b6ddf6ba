// SPDX-License-Identifier: Apache-2.0
// sacreBLEU's tokenizers, which split lines into the tokens that BLEU counts.
#pragma once

#include <string>
#include <string_view>

namespace switchyard {

// Returns the line with spaces between its tokens, to be split() at whitespace. `name` is one of
//   13a   mteval-v13a.pl, the default of WMT
//   zh    every Chinese character is a token, the rest as in 13a
//   intl  mteval-v14.pl: splits at Unicode punctuation marks and symbols
//   char  every character is a token
//   none  splits at whitespace only
// Error(kUsage) for any other name.
std::u32string bleu_tokenize(std::string_view name, std::u32string line);

}  // namespace switchyard
