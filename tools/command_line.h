// SPDX-License-Identifier: Apache-2.0
// Groups the arguments of a tool by option.
#pragma once

#include <map>
#include <string>

#include "tools/option.h"

namespace switchyard {

// Returns the values of each option on the command line, by its name; a flag without a value has
// "true". Error(kUsage) naming an unknown option, one without its value, or an argument that
// belongs to no option. Option::set checks the values themselves.
std::map<std::string, Values> parse_command_line(const Tool& tool, const OptionTable& table,
                                                 int argc, const char* const* argv);

}  // namespace switchyard
