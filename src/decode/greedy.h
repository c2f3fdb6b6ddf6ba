// SPDX-License-Identifier: Apache-2.0
// Greedy search: each next token is the likeliest one, the lowest id where equal.
#pragma once

#include <vector>

#include "src/decode/search.h"
#include "src/nn/model.h"

namespace switchyard {

// One hypothesis for each of `sources` (ids with eos, none empty). Uses and gives back the arenas
// of ctx. Error(kData) where the model's logits are not finite.
std::vector<NBest> greedy_search(Context& ctx, const Model& model, const std::vector<Ids>& sources,
                                 const SearchOptions& options);

}  // namespace switchyard
