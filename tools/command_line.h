// SPDX-License-Identifier: Apache-2.0
// The arguments of a tool, sorted by option.
#pragma once

#include <map>
#include <string>

#include "tools/option.h"

namespace switchyard {

// The values of each option on the command line, by its name; a flag without one has "true".
// Error(kUsage) naming an unknown option, one that lacks its value, or an argument that belongs to
// no option. Which values an option allows is for Option::set to check.
std::map<std::string, Values> parse_command_line(const Tool& tool, const OptionTable& table,
                                                 int argc, const char* const* argv);

}  // namespace switchyard
