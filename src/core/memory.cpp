// SPDX-License-Identifier: Apache-2.0
#include "src/core/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "src/core/cgroup.h"

namespace switchyard {

namespace {

constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();

// The number after `name` at the start of a line ("MemAvailable: 123 kB"), or -1.
std::int64_t field(const std::filesystem::path& file, const std::string& name) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    std::istringstream rest(line.substr(name.size()));
    std::int64_t number = -1;
    if (rest >> number) return number;
  }
  return -1;
}

std::int64_t left_of_address_space() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return kNoLimit;
  std::int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return std::max<std::int64_t>(
      0, static_cast<std::int64_t>(limit.rlim_cur) - pages * sysconf(_SC_PAGESIZE));
}

}  // namespace

std::int64_t available_memory_bytes() {
  const std::int64_t kilobytes = field("/proc/meminfo", "MemAvailable:");
  const std::int64_t machine = kilobytes < 0 ? kNoLimit : kilobytes * 1024;
  return std::min({machine, cgroup_memory_left(), left_of_address_space()});
}

std::int64_t resident_bytes() {
  std::int64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace switchyard
