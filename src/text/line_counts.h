// SPDX-License-Identifier: Apache-2.0
// Checks that parallel texts have the same number of lines.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

// Error(kData) with both counts if two texts differ in their number of lines. The usual cause is a
// character that ends a line in other programs but not here; the message names the first one.
void check_same_lines(std::string_view name_a, const std::vector<std::string>& a,
                      std::string_view name_b, const std::vector<std::string>& b);

}  // namespace switchyard
