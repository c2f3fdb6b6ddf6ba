// SPDX-License-Identifier: Apache-2.0
// The presets of data/presets/*.yml, which are built into the program.
#pragma once

#include <string>
#include <vector>

namespace switchyard {

std::vector<std::string> preset_names();
// The preset's YAML text: options by name. Error(kUsage) listing all names if there is no such
// preset.
std::string preset_text(const std::string& name);

}  // namespace switchyard
