// SPDX-License-Identifier: Apache-2.0
// Finds the known name that a mistyped one probably means.
#pragma once

#include <string_view>
#include <vector>

namespace switchyard {

// Returns the closest of `names`: one that begins with `name` (of three letters or more), or that
// differs from it by at most one edit per four letters (a wrong, missing or extra letter, or two
// adjacent letters swapped). The first of equally close names; empty if none is close enough.
std::string_view closest_name(std::string_view name, const std::vector<std::string_view>& names);

}  // namespace switchyard
