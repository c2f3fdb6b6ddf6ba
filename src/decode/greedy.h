// SPDX-License-Identifier: Apache-2.0
// Greedy search: one hypothesis, continued with the most likely token until eos.
#pragma once

#include "src/decode/sentence_search.h"

namespace switchyard {

class Greedy : public SentenceSearch {
 public:
  Greedy(const SearchOptions& options, const Ids& eos_ids);

  // Takes one candidate. `value` may be empty unless SearchOptions::scores is set.
  void advance(std::span<const float> value, std::span<const std::int32_t> index) override;
  NBest best(std::size_t count) const override;
  Ids ids(std::size_t) const override { return ids_; }

 private:
  SearchOptions options_;
  Ids eos_ids_;
  Ids ids_;
};

}  // namespace switchyard
