// SPDX-License-Identifier: Apache-2.0
// The control groups that limit this process (cgroups(7), version 2).
#pragma once

#include <filesystem>
#include <vector>

namespace switchyard {

// Folders of the group this process is in and of all around it, innermost first, the root's last;
// the root's alone where the system does not say.
std::vector<std::filesystem::path> cgroup_folders();

}  // namespace switchyard
