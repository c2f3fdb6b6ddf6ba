// SPDX-License-Identifier: Apache-2.0
// Corpus chrF (Popović 2015) and chrF++ (word_order 2; Popović 2017) as sacreBLEU 2.6.0 computes
// them: n-grams of code points without whitespace, averaged over the orders that both sides have.
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

// Returns a score from 0 to 100. references[r][i] belongs to hypotheses[i]. Error(kData) if the
// numbers of lines differ or are 0.
double corpus_chrf(const std::vector<std::string>& hypotheses, const References& references,
                   const ChrfOptions& options = {});

// "chrF2", "chrF2++".
std::string chrf_name(const ChrfOptions& options);
// "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:switch-evaluate-VERSION(sacrebleu-2.6.0)".
std::string chrf_signature(const ChrfOptions& options, std::size_t num_references);

}  // namespace switchyard
