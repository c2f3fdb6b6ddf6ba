// SPDX-License-Identifier: Apache-2.0
#include "tools/line_filler.h"

#include <utility>

#include "src/app/blanks.h"
#include "src/core/counted.h"
#include "src/core/log.h"

namespace switchyard {

std::vector<std::string> LineFiller::begin(std::vector<std::string> lines) {
  lines_ = std::move(lines);
  std::vector<std::string> sources;
  for (const std::string& line : lines_)
    sources.push_back(has_blanks(tokenizer_, line) ? line : std::string());
  return sources;
}

void LineFiller::fill(std::size_t i, Translations& translations) {
  for (Translation& t : translations) {
    FilledLine filled = fill_blanks(tokenizer_, lines_[i], t.ids);
    if (&t == &translations.front() && !filled.complete) ++incomplete_;
    t.text = std::move(filled.text);
  }
}

void LineFiller::warn_of_blanks() const {
  if (incomplete_ > 0)
    log_warning(counted(incomplete_, "line") +
                " with blanks for which the model generated nothing; they stay as they are");
}

}  // namespace switchyard
