// SPDX-License-Identifier: Apache-2.0
// The limits of the control groups around this process (cgroups(7)), versions 1 and 2. Every group
// from this process's own up to the outermost visible one limits it, so the smallest value applies.
#pragma once

#include <cstdint>
#include <filesystem>

namespace switchyard {

// `root` is the directory that contains proc and sys; tests pass their own.

// The smallest CPU quota, in CPUs; infinity if there is none.
double cgroup_cpus(const std::filesystem::path& root = "/");

// Bytes left under the memory limits; reclaimable page cache does not count as used. The largest
// int64 if there is no limit.
std::int64_t cgroup_memory_left(const std::filesystem::path& root = "/");

}  // namespace switchyard
