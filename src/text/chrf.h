// SPDX-License-Identifier: Apache-2.0
// Corpus chrF (Popović 2015) and chrF++ (word_order 2; Popović 2017) as sacreBLEU 2.6.0 computes
// them: n-grams of code points without whitespace, orders averaged where both sides have any.
#pragma once

#include <string>
#include <vector>

#include "src/text/scoring.h"

namespace switchyard {

struct ChrfOptions {
  int char_order = 6;
  int word_order = 0;
  int beta = 2;
};

// 0 to 100. references[r][i] belongs to hypotheses[i]. Error(kData) where the numbers of lines
// differ or there is none.
double corpus_chrf(const std::vector<std::string>& hypotheses, const References& references,
                   const ChrfOptions& options = {});

// "chrF2", "chrF2++".
std::string chrf_name(const ChrfOptions& options);
// "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:switch-evaluate-VERSION(sacrebleu-2.6.0)".
std::string chrf_signature(const ChrfOptions& options, std::size_t num_references);

}  // namespace switchyard
