// SPDX-License-Identifier: Apache-2.0
// Shared by every tool's main(): errors become one line and an exit code, and stdout is checked.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

namespace switchyard {

// Runs `f` and returns its result as the exit code. An Error is printed as "TOOL: error: ..." and
// gives the exit code of its kind; running out of memory gives 1. If the reader of stdout is gone
// (`| head -1`), the program exits quietly with 0. SIGPIPE is ignored. If a mapped file is
// truncated while it is in use, the program ends at once with a message and 1.
int run_main(std::string_view tool, const std::function<int()>& f);

// Write to stdout, buffered; a failure throws Error(kRuntime) now or at the next flush. Use these
// instead of std::cout, which does not report a full disk.
void write_stdout(std::string_view text);
void flush_stdout();
// Redirects stdout to `file`, which is created or truncated and named in errors. Error(kRuntime) if
// it cannot be opened.
void redirect_stdout(const std::filesystem::path& file);

}  // namespace switchyard
