// SPDX-License-Identifier: Apache-2.0
// A sentence as token ids, which text/ produces and nn/ and decode/ work on.
#pragma once

#include <cstdint>
#include <vector>

namespace switchyard {

using Ids = std::vector<std::int32_t>;

}  // namespace switchyard
