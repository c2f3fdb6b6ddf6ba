// SPDX-License-Identifier: Apache-2.0
// Warnings about a vocabulary that does not fit its text: otherwise a model may train for hours on
// meaningless tokens.
#pragma once

#include <string>
#include <vector>

#include "src/text/tokenizer.h"
#include "src/text/vocabulary_fit.h"

namespace switchyard {

// Warn above this share of a text's tokens or lines.
constexpr double kWarningShare = 0.01;

// Warns, with examples, if more than kWarningShare of the tokens are unknown; `name` is the text's.
// Returns true if it warned.
bool warn_of_unknown_tokens(const std::string& name, const UnknownTokens& tokens);

// Warns if the vocabulary's normalization changes more than kWarningShare of the lines, which a
// model can then never reproduce exactly. Samples at most 10,000 lines.
void warn_of_changed_lines(const std::string& name, const Tokenizer& tokenizer,
                           const std::vector<std::string>& lines);

// Warns if `transformers` will tokenize differently with the vocabulary written to `file`.
void warn_of_differences_in_transformers(const std::string& file, const Tokenizer& tokenizer);

}  // namespace switchyard
