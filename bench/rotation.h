// SPDX-License-Identifier: Apache-2.0
// Translation with weights that are in no cache: copies of a model take turns at every step, so
// that a step finds the weights of the others there. One worker; the rest is as in Translator.
#pragma once

#include <memory>
#include <vector>

#include "src/decode/search.h"
#include "src/decode/translator.h"

namespace switchyard::bench {

class Rotation {
 public:
  // `copies` must outlive this; their weights must not be in the same memory. Each copy translates
  // TranslatorOptions::mini_batch sentences at a time.
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
