// SPDX-License-Identifier: Apache-2.0
#include "tests/parity/hf_losses.h"

#include <algorithm>
#include <cmath>

namespace switchyard {

HfRouterLosses hf_router_losses(const std::vector<std::vector<float>>& layers, std::int64_t batch,
                                std::int64_t len, std::int64_t num_experts) {
  const auto experts = static_cast<std::size_t>(num_experts);
  const double rows_of_sequence = static_cast<double>(len) * static_cast<double>(layers.size());
  double z = 0, aux = 0;
  for (std::int64_t b = 0; b < batch; ++b) {
    // Layers are concatenated along the sequence axis.
    std::vector<double> chosen(experts, 0), prob(experts, 0);
    for (const std::vector<float>& logits : layers) {
      for (std::int64_t t = 0; t < len; ++t) {
        const float* row = logits.data() + (b * len + t) * num_experts;
        const double largest = double{*std::max_element(row, row + num_experts)};
        double sum = 0;
        for (std::size_t e = 0; e < experts; ++e) sum += std::exp(double{row[e]} - largest);
        const double logsumexp = largest + std::log(sum);
        z += logsumexp * logsumexp;
        for (std::size_t e = 0; e < experts; ++e)
          prob[e] += std::exp(double{row[e]} - logsumexp) / rows_of_sequence;
        chosen[static_cast<std::size_t>(std::max_element(row, row + num_experts) - row)] +=
            1 / rows_of_sequence;
      }
    }
    for (std::size_t e = 0; e < experts; ++e) aux += chosen[e] * prob[e];
  }
  const double batches = static_cast<double>(batch);
  return {static_cast<float>(z / (batches * rows_of_sequence)),
          static_cast<float>(aux / batches * static_cast<double>(num_experts))};
}

}  // namespace switchyard
