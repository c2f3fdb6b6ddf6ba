// SPDX-License-Identifier: Apache-2.0
// How much memory there is, so that what cannot fit is refused before it is begun.
#pragma once

#include <cstdint>

namespace switchyard {

// What this process may still take: the least of what the machine has available, what each of its
// control groups leaves, and what RLIMIT_AS leaves.
std::int64_t available_memory_bytes();

// What this process has in memory now.
std::int64_t resident_bytes();

}  // namespace switchyard
