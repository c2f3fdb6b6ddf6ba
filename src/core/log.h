// SPDX-License-Identifier: Apache-2.0
// Lines on stderr (and in a log file, where one was opened), each written whole.
#pragma once

#include <string>
#include <string_view>

namespace switchyard {

enum class LogLevel { kQuiet, kInfo, kVerbose };

void set_log_level(LogLevel level);
// Also appends every line to this file; Error(kRuntime) where it cannot be opened.
void open_log_file(const std::string& path);

// "[2026-11-22 10:02:11] text" at kInfo and above.
void log_info(std::string_view text);
void log_verbose(std::string_view text);
// "TOOL: warning: text" and "TOOL: error: text" at every level.
void log_warning(std::string_view text);
void log_error(std::string_view text);
// The name in front of warnings and errors: "switch-train".
void set_tool_name(std::string_view name);

// A line that stays at the terminal's bottom and is redrawn in place; nothing where stderr is no
// terminal. Empty text removes it. Log lines are printed above it.
void set_status_line(std::string_view text);

}  // namespace switchyard
