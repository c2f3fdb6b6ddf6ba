// SPDX-License-Identifier: Apache-2.0
// Helpers shared by BLEU and chrF.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

// references[r][i] belongs to hypotheses[i].
using References = std::vector<std::vector<std::string>>;

// Error(kData) if there are no lines or references, or if the numbers of lines differ.
void check_line_counts(const std::vector<std::string>& hypotheses, const References& references);

// Python's str.split(): the parts of a text between runs of whitespace.
std::vector<std::u32string_view> split(std::u32string_view text);

// Returns "nrefs:1|" + middle + "|version:switch-evaluate-0.1.0(sacrebleu-2.6.0)".
std::string signature(std::size_t num_references, std::string_view middle);

}  // namespace switchyard
