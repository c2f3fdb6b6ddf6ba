// SPDX-License-Identifier: Apache-2.0
// The presets: data/presets/*.yml, built into the program so that it finds them wherever it is.
#pragma once

#include <string>
#include <vector>

namespace switchyard {

std::vector<std::string> preset_names();
// The preset's YAML text: options by name. Error(kUsage) that lists the names where there is none.
std::string preset_text(const std::string& name);

}  // namespace switchyard
