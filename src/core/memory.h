// SPDX-License-Identifier: Apache-2.0
// Available memory, so that work that cannot fit is refused before it starts.
#pragma once

#include <cstdint>

namespace switchyard {

// The memory that this process may still allocate: the smallest of the machine's available memory
// and what the control groups and RLIMIT_AS leave.
std::int64_t available_memory_bytes();

// The resident memory of this process.
std::int64_t resident_bytes();

}  // namespace switchyard
