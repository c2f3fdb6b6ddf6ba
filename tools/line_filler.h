// SPDX-License-Identifier: Apache-2.0
// switch-translate --fill: lines with their blanks filled, in place of translations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/app/text_translator.h"
#include "src/text/tokenizer.h"

namespace switchyard {

// Keeps the lines that are being translated, and puts translations into their blanks.
class LineFiller {
 public:
  // The tokenizer must outlive this.
  explicit LineFiller(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  // Returns the lines to translate: those without blanks are empty, which skips the model.
  std::vector<std::string> begin(std::vector<std::string> lines);
  // Changes the texts of line `i` since begin() into the filled line.
  void fill(std::size_t i, Translations& translations);
  // Warns of lines with blanks that the best translation left open, if there were any.
  void warn_of_blanks() const;

 private:
  const Tokenizer& tokenizer_;
  std::vector<std::string> lines_;
  std::int64_t incomplete_ = 0;
};

}  // namespace switchyard
