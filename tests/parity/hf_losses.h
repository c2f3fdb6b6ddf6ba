// SPDX-License-Identifier: Apache-2.0
// Hugging Face's pooled router losses of one stack, computed from the router logits of its models.
// Source: transformers 5.23, modeling_switch_transformers.py: router_z_loss_func,
// load_balancing_loss_func and their use in SwitchTransformersForConditionalGeneration.forward.
#pragma once

#include <cstdint>
#include <vector>

namespace switchyard {

struct HfRouterLosses {
  float z = 0;
  float aux = 0;
};

// `layers` has the logits [batch * len * num_experts] of each sparse layer, including padding.
HfRouterLosses hf_router_losses(const std::vector<std::vector<float>>& layers, std::int64_t batch,
                                std::int64_t len, std::int64_t num_experts);

}  // namespace switchyard
