// SPDX-License-Identifier: Apache-2.0
// Texts that belong together line by line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

// Error(kData) with both counts where two texts have different numbers of lines. The usual reason
// is a character at which other programs end a line and we do not: the first one is named.
void check_same_lines(std::string_view name_a, const std::vector<std::string>& a,
                      std::string_view name_b, const std::vector<std::string>& b);

}  // namespace switchyard
