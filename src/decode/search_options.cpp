// SPDX-License-Identifier: Apache-2.0
#include "src/decode/search_options.h"

#include <cmath>

#include "src/core/error.h"

namespace switchyard {

float normalised_score(float sum_log_prob, std::int64_t length, const SearchOptions& options) {
  return sum_log_prob / static_cast<float>(std::pow(static_cast<double>(length),
                                                    static_cast<double>(options.length_penalty)));
}

void validate(const SearchOptions& options) {
  const auto range = [](std::int64_t value, std::int64_t low, std::int64_t high, const char* name) {
    check(value >= low && value <= high, ErrorKind::kUsage, name, ": ", value, ", expected ", low,
          " to ", high);
  };
  range(options.num_beams, 1, kMaxNumBeams, "beam size");
  range(options.max_new_tokens, 1, kMaxNewTokens, "maximum output length");
  range(options.num_return_sequences, 1, options.num_beams, "hypotheses returned");
  check(std::isfinite(options.length_penalty), ErrorKind::kUsage,
        "length penalty: ", options.length_penalty, ", expected a finite number");
}

}  // namespace switchyard
