// SPDX-License-Identifier: Apache-2.0
// Beam search with the candidates, stopping rules and scores of transformers 5.23
// (generation/utils.py, _beam_search and the functions beside it), for one eos id.
#pragma once

#include <vector>

#include "src/decode/search.h"
#include "src/nn/model.h"

namespace switchyard {

// num_return_sequences hypotheses for each of `sources` (ids with eos, none empty). Uses and gives
// back the arenas of ctx. Error(kData) where the model's logits are not finite.
std::vector<NBest> beam_search(Context& ctx, const Model& model, const std::vector<Ids>& sources,
                               const SearchOptions& options);

}  // namespace switchyard
