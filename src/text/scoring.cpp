// SPDX-License-Identifier: Apache-2.0
#include "src/text/scoring.h"

#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/core/version.h"
#include "src/text/utf8.h"

namespace switchyard {

void check_line_counts(const std::vector<std::string>& hypotheses, const References& references) {
  check(!references.empty(), ErrorKind::kData, "no references, expected at least one");
  check(!hypotheses.empty(), ErrorKind::kData, "hypotheses: 0 lines, expected at least one");
  for (std::size_t r = 0; r < references.size(); ++r)
    check(references[r].size() == hypotheses.size(), ErrorKind::kData, "reference ", r + 1, " has ",
          counted(std::ssize(references[r]), "line"), ", the hypotheses have ", hypotheses.size(),
          ", expected the same number");
}

std::vector<std::u32string_view> split(std::u32string_view text) {
  std::vector<std::u32string_view> parts;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && !is_space(text[i])) continue;
    if (i > begin) parts.push_back(text.substr(begin, i - begin));
    begin = i + 1;
  }
  return parts;
}

std::string signature(std::size_t num_references, std::string_view middle) {
  return "nrefs:" + std::to_string(num_references) + "|" + std::string(middle) +
         "|version:switch-evaluate-" + std::string(version()) + "(sacrebleu-2.6.0)";
}

}  // namespace switchyard
