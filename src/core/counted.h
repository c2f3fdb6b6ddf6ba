// SPDX-License-Identifier: Apache-2.0
// Formats counts with their nouns, for messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace switchyard {

// A count of 0 or more with commas between thousands: "19,200".
std::string with_commas(std::int64_t count);
// "1 line", "19,200 lines"; `plural` is the noun plus s unless given: counted(n, "batch",
// "batches").
std::string counted(std::int64_t count, std::string_view noun, std::string_view plural = "");

}  // namespace switchyard
