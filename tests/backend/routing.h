// SPDX-License-Identifier: Apache-2.0
// Views for the decisions of a router, for the tests of the contract.
#pragma once

#include "tests/backend/machine.h"

namespace switchyard {

inline Routing make_routing(Machine& m, std::int64_t tokens, std::int64_t num_experts) {
  Routing r;
  r.probs = m.output(tokens, num_experts);
  r.logsumexp = m.output(tokens, 1);
  r.expert_index = m.int_output(tokens, 1);
  r.combine_weight = m.output(tokens, 1);
  r.slot_of_token = m.int_output(tokens, 1);
  r.token_of_slot = m.int_output(tokens, 1);
  r.expert_offsets = m.int_output(1, num_experts + 1);
  r.expert_count = m.int_output(1, num_experts);
  r.dropped = m.int_output(1, 1);
  return r;
}

}  // namespace switchyard
