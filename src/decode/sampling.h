// SPDX-License-Identifier: Apache-2.0
// Draws tokens at random and selects the best ones: pure functions of scores (logits, where -inf
// excludes a token) and of a random number or a key from which random numbers are made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace switchyard {

// Returns an index with probability softmax(scores); `uniform` is in [0, 1). Empty if all are
// excluded.
std::optional<std::int32_t> draw(std::span<const float> scores, double uniform);

// Returns `count` distinct indices, each drawn with probability softmax(scores) among those not yet
// drawn, in descending order of score. If fewer are not excluded, excluded ones follow.
std::vector<std::int32_t> draw_without_replacement(std::span<const float> scores, std::size_t count,
                                                   std::uint64_t key);

// Returns the indices of the `count` largest scores, best first, equal ones in order of index.
std::vector<std::int32_t> best_scores(std::span<const float> scores, std::size_t count);

}  // namespace switchyard
