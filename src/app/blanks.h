// SPDX-License-Identifier: Apache-2.0
// Blanks in a text, marked by T5's sentinels ("The <extra_id_0> runs."), and what a model
// pretrained by span corruption generates for them: "<extra_id_0> brown dog <extra_id_1>" (Raffel
// et al. 2020, arXiv 1910.10683, 3.1.4).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "src/text/tokenizer.h"

namespace switchyard {

bool has_blanks(const Tokenizer& tokenizer, std::string_view line);

struct FilledLine {
  std::string text;
  bool complete = true;  // every blank is filled
};

// Returns the line with its blanks replaced by what follows their sentinels in `generated`, each up
// to the next sentinel. If a sentinel is generated more than once, the first counts. A blank for
// which there are no words stays; everything else in the line is unchanged, byte by byte.
FilledLine fill_blanks(const Tokenizer& tokenizer, std::string_view line,
                       std::span<const std::int32_t> generated);

}  // namespace switchyard
