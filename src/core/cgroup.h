// SPDX-License-Identifier: Apache-2.0
// The limits of the control groups around this process (cgroups(7)), versions 1 and 2. Each group
// from this process's own to the outermost visible one limits it, so the least value counts.
#pragma once

#include <cstdint>
#include <filesystem>

namespace switchyard {

// /proc and /sys are looked for under `root`, for tests.

// What the CPU quotas allow, in CPUs; infinity if there is none.
double cgroup_cpus(const std::filesystem::path& root = "/");

// What the memory limits leave, in bytes, page cache that can be given up not counted as used; the
// largest int64 if there is none.
std::int64_t cgroup_memory_left(const std::filesystem::path& root = "/");

}  // namespace switchyard
