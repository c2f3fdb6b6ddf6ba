// SPDX-License-Identifier: Apache-2.0
// Options as YAML: config files, presets, and the settings of a run. Not by Boost, which reads INI
// files only.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "tools/option.h"

namespace switchyard {

// The values in a YAML map of options, by the option's name. Relative paths among them start at
// `base`, or stay as they are if it is empty. Error(kUsage) naming `shown`, the text's name, and
// the line.
std::map<std::string, Values> read_yaml_options(const OptionTable& table, const std::string& yaml,
                                                const std::string& shown,
                                                const std::filesystem::path& base);

// Every setting with its effective value, as a map that read_yaml_options() reads; paths are
// absolute.
std::string settings_yaml(const OptionTable& table);

}  // namespace switchyard
