// SPDX-License-Identifier: Apache-2.0
// Which known name a mistyped one probably means.
#pragma once

#include <string_view>
#include <vector>

namespace switchyard {

// Returns the one of `names` that `name` starts (three letters or more) or differs from by at most
// one mistake in four letters: a wrong, missing or extra letter, or two adjacent ones swapped. The
// first of equally close ones; empty if none is that close.
std::string_view closest_name(std::string_view name, const std::vector<std::string_view>& names);

}  // namespace switchyard
