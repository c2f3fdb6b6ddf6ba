// SPDX-License-Identifier: Apache-2.0
// Corpus BLEU (Papineni et al. 2002) as sacreBLEU 2.6.0 computes it (Post 2018, arXiv 1804.08771):
// its tokenizers, smoothing, treatment of whitespace and rounding, so that scores and signatures
// are comparable.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/text/scoring.h"

namespace switchyard {

constexpr int kBleuOrder = 4;

struct BleuOptions {
  std::string tokenize = "13a";        // 13a, none, char, zh, intl
  std::string smooth = "exp";          // exp, floor, add-k, none
  std::optional<double> smooth_value;  // for floor (default 0.1) and add-k (default 1)
  bool lowercase = false;
  bool effective_order = false;  // for single sentences: ignores orders above the sentence's length
};

struct BleuScore {
  double score = 0;  // 0 to 100
  std::array<double, kBleuOrder> precisions{};
  double brevity_penalty = 1;
  std::int64_t hyp_len = 0;
  std::int64_t ref_len = 0;

  // Formatted as sacreBLEU does: "61.4/38.2/25.9/17.7 (BP = 1.000 ratio = 1.021 hyp_len = 10
  // ref_len = 9)".
  std::string details() const;
};

// references[r][i] belongs to hypotheses[i]. Error(kData) if the numbers of lines differ or are 0,
// Error(kUsage) if the tokenizer or smoothing is unknown.
BleuScore corpus_bleu(const std::vector<std::string>& hypotheses, const References& references,
                      const BleuOptions& options = {});

// "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:switch-evaluate-VERSION(sacrebleu-2.6.0)".
std::string bleu_signature(const BleuOptions& options, std::size_t num_references);

}  // namespace switchyard
