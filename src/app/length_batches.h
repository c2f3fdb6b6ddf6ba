// SPDX-License-Identifier: Apache-2.0
// Divides sequences into batches of about equal length, for passes over whole sequences.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace switchyard {

// `tokens`: the length of each sequence. Returns batches of their indices, longest sequences first,
// each with at most `max_tokens` tokens or a single longer sequence.
std::vector<std::vector<std::size_t>> length_batches(const std::vector<std::int64_t>& tokens,
                                                     std::int64_t max_tokens);

}  // namespace switchyard
