// SPDX-License-Identifier: Apache-2.0
// Options as YAML: config files, presets, and the settings of a run. Boost reads only INI files.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "tools/option.h"

namespace switchyard {

// Returns the values in a YAML map of options, by option name. Relative paths are relative to
// `base`, or stay as they are if it is empty. Error(kUsage) naming `shown`, the text's name, and
// the line.
std::map<std::string, Values> read_yaml_options(const OptionTable& table, const std::string& yaml,
                                                const std::string& shown,
                                                const std::filesystem::path& base);

// Returns every setting with its effective value, as a map that read_yaml_options() reads; paths
// are absolute.
std::string settings_yaml(const OptionTable& table);

}  // namespace switchyard
