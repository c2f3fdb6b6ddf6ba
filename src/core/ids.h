// SPDX-License-Identifier: Apache-2.0
// A sentence as piece ids: what text/ makes, nn/ and decode/ work on.
#pragma once

#include <cstdint>
#include <vector>

namespace switchyard {

using Ids = std::vector<std::int32_t>;

}  // namespace switchyard
