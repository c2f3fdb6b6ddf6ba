// SPDX-License-Identifier: Apache-2.0
// Translation with weights that are not in cache: copies of a model take turns, one step each, so
// that each evicts the weights of the others. One worker; otherwise like Translator.
#pragma once

#include <memory>
#include <vector>

#include "src/decode/search.h"
#include "src/decode/translator.h"

namespace switchyard::bench {

class Rotation {
 public:
  // `copies` must outlive this, and must not share the memory of their weights. Each copy
  // translates TranslatorOptions::mini_batch sentences at a time.
  Rotation(const std::vector<const Model*>& copies, const TranslatorOptions& options);

  std::vector<NBest> translate(const std::vector<Ids>& sources);
  void time_phases() { times_phases_ = true; }
  DecodeTimes times() const;
  const TranslatorOptions& options() const { return options_; }

 private:
  struct Copy {
    std::unique_ptr<Context> ctx;
    std::unique_ptr<Search> search;
  };
  void admit(Copy& copy, const std::vector<Ids>& sources, std::size_t& next) const;

  TranslatorOptions options_;
  bool times_phases_ = false;
  std::vector<Copy> copies_;
};

}  // namespace switchyard::bench
