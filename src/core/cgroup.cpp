// SPDX-License-Identifier: Apache-2.0
#include "src/core/cgroup.h"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

namespace {

namespace fs = std::filesystem;

constexpr double kNoQuota = std::numeric_limits<double>::infinity();
constexpr std::int64_t kNoLimit = std::numeric_limits<std::int64_t>::max();
// Version 1 writes "no limit" as a number close to 2^63.
constexpr std::int64_t kLargestLimit = kNoLimit / 2;

// A mounted hierarchy of groups, whose group `top` is visible as `directory`.
struct Mount {
  std::string top;
  fs::path directory;
};

// Returns true if `name` is an item of a comma-separated list.
bool lists(const std::string& list, const std::string& name) {
  return ("," + list + ",").find("," + name + ",") != std::string::npos;
}

// Decodes a path of /proc/self/mountinfo, which writes spaces and backslashes as \ and three octal
// digits.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out +=
          static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + text[i + 3] - '0');
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// The mounts of the version 1 hierarchy that has this controller, or of version 2 (controller "").
// Without /proc/self/mountinfo, the usual mount point.
std::vector<Mount> find_mounts(const fs::path& root, const std::string& controller) {
  const auto under_root = [&](const fs::path& path) { return root / path.relative_path(); };
  std::vector<Mount> mounts;
  std::ifstream lines(root / "proc/self/mountinfo");
  if (!lines) return {{"/", under_root("/sys/fs/cgroup") / controller}};
  for (std::string line; std::getline(lines, line);) {
    // "ID PARENT DEVICE TOP DIRECTORY OPTIONS [FIELDS] - TYPE SOURCE OPTIONS" (proc(5))
    std::istringstream words(line);
    std::string skipped, top, directory, type, options;
    words >> skipped >> skipped >> skipped >> top >> directory;
    while (words >> skipped && skipped != "-") {
    }
    words >> type >> skipped >> options;
    if (controller.empty() ? type == "cgroup2" : type == "cgroup" && lists(options, controller))
      mounts.push_back({unescape(top), under_root(unescape(directory))});
  }
  return mounts;
}

// The path of this process's group in that hierarchy; "/" if the system does not say.
std::string own_group(const fs::path& root, const std::string& controller) {
  std::ifstream lines(root / "proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? controllers.empty() : lists(controllers, controller))
      return line.substr(second + 1);
  }
  return "/";
}

bool shows(const Mount& mount, const std::string& group) {
  return mount.top == "/" || group == mount.top || group.starts_with(mount.top + "/");
}

// The directories that may hold this controller's limits, in either version: those of the process's
// group and of its visible ancestors. If no mount shows the group, as across namespaces, each
// mount's top counts as an ancestor.
std::vector<fs::path> limiting_directories(const fs::path& root, const std::string& controller) {
  std::vector<fs::path> found;
  for (const std::string& hierarchy : {controller, std::string()}) {
    const std::string group = own_group(root, hierarchy);
    const std::vector<Mount> mounts = find_mounts(root, hierarchy);
    const bool shown = std::any_of(mounts.begin(), mounts.end(),
                                   [&](const Mount& mount) { return shows(mount, group); });
    for (const Mount& mount : mounts) {
      if (shown && !shows(mount, group)) continue;
      fs::path below;
      if (shown) below = fs::path(group.substr(mount.top == "/" ? 0 : mount.top.size()));
      below = below.relative_path();
      if (std::find(below.begin(), below.end(), "..") != below.end()) below.clear();
      for (; !below.empty(); below = below.parent_path()) found.push_back(mount.directory / below);
      found.push_back(mount.directory);
    }
  }
  return found;
}

// Reads a quota ("max" or "-1" if there is none) and a period, both in microseconds, from two
// streams or one; returns their ratio, in CPUs.
double quota_of(std::istream& quota, std::istream& period) {
  double allowed = 0, each = 0;
  return quota >> allowed && period >> each && allowed > 0 && each > 0 ? allowed / each : kNoQuota;
}

// The reclaimable page cache of a group and its descendants, from memory.stat.
std::int64_t inactive_cache(const fs::path& directory) {
  std::int64_t cache = 0, bytes = 0;
  std::ifstream lines(directory / "memory.stat");
  // In version 1, inactive_file excludes the descendants.
  for (std::string name; lines >> name >> bytes;)
    if (name == "inactive_file" || name == "total_inactive_file") cache = std::max(cache, bytes);
  return cache;
}

std::int64_t memory_left(const fs::path& directory, const char* limit_file,
                         const char* usage_file) {
  std::int64_t limit = 0, usage = 0;
  if (!(std::ifstream(directory / limit_file) >> limit) || limit > kLargestLimit ||
      !(std::ifstream(directory / usage_file) >> usage))
    return kNoLimit;  // "max", or no such file
  return std::max<std::int64_t>(0, limit - usage + inactive_cache(directory));
}

}  // namespace

double cgroup_cpus(const fs::path& root) {
  double cpus = kNoQuota;
  for (const fs::path& directory : limiting_directories(root, "cpu")) {
    std::ifstream quota(directory / "cpu.cfs_quota_us"), period(directory / "cpu.cfs_period_us");
    std::ifstream both(directory / "cpu.max");
    cpus = std::min({cpus, quota_of(quota, period), quota_of(both, both)});
  }
  return cpus;
}

std::int64_t cgroup_memory_left(const fs::path& root) {
  std::int64_t left = kNoLimit;
  for (const fs::path& directory : limiting_directories(root, "memory"))
    left = std::min({left, memory_left(directory, "memory.max", "memory.current"),
                     memory_left(directory, "memory.limit_in_bytes", "memory.usage_in_bytes")});
  return left;
}

}  // namespace switchyard
