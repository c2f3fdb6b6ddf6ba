// SPDX-License-Identifier: Apache-2.0
// What every tool's main() shares: errors become one line and an exit code, and stdout is checked.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

namespace switchyard {

// Runs `f` and returns its result as the exit code. An Error is printed as "TOOL: error: ..." and
// returns its kind's code; lack of memory likewise, with 1. A reader that closed our stdout
// (`| head -1`) ends the program quietly with 0. SIGPIPE is ignored.
int run_main(std::string_view tool, const std::function<int()>& f);

// Writes to stdout, buffered; a failure is an Error(kRuntime) then or at the next flush. Use these
// instead of std::cout: it forgets to say that a disk is full.
void write_stdout(std::string_view text);
void flush_stdout();
// From here on stdout is this file, which is made or emptied, and named in errors. Error(kRuntime)
// where it cannot be opened.
void redirect_stdout(const std::filesystem::path& file);

}  // namespace switchyard
