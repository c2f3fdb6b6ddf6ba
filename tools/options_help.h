// SPDX-License-Identifier: Apache-2.0
// Everything a tool prints about itself, derived from its table of options.
#pragma once

#include <string>

#include "tools/option.h"

namespace switchyard {

// --help, on one screen: Tool::essentials and the examples; help_all() if there are none.
std::string help_screen(const Tool& tool, const OptionTable& table);
// --help-all: every option with its default, by group, and the files.
std::string help_all(const Tool& tool, const OptionTable& table);
// --man-page, in troff.
std::string man_page(const Tool& tool, const OptionTable& table);
// --completion bash.
std::string bash_completion(const Tool& tool, const OptionTable& table);
// --version.
std::string version_line(const Tool& tool, const OptionTable& table);
// --build-info: version, backend, compiler and libraries.
std::string build_info(const Tool& tool, const OptionTable& table);

}  // namespace switchyard
