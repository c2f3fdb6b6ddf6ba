// SPDX-License-Identifier: Apache-2.0
// sacreBLEU's tokenizers: what BLEU counts n-grams of.
#pragma once

#include <string>
#include <string_view>

namespace switchyard {

// The line with spaces around its tokens; split() them. `name` is one of
//   13a   mteval-v13a.pl, the default of WMT
//   zh    every Chinese character a token, the rest as 13a
//   intl  mteval-v14.pl: at every punctuation mark and symbol of Unicode
//   char  every character a token
//   none  at whitespace only
// Error(kUsage) for another.
std::u32string bleu_tokenize(std::string_view name, std::u32string line);

}  // namespace switchyard
