// SPDX-License-Identifier: Apache-2.0
#include "src/core/cgroup.h"

#include <fstream>
#include <string>

namespace switchyard {

std::vector<std::filesystem::path> cgroup_folders() {
  const std::filesystem::path root = "/sys/fs/cgroup";
  std::vector<std::filesystem::path> folders;
  std::ifstream lines("/proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("0::/")) continue;
    for (std::filesystem::path group = line.substr(4); !group.empty(); group = group.parent_path())
      folders.push_back(root / group);
  }
  folders.push_back(root);
  return folders;
}

}  // namespace switchyard
