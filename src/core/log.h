// SPDX-License-Identifier: Apache-2.0
// Log lines on stderr and in the log file, if one is open. Each line is one write().
#pragma once

#include <string>
#include <string_view>

namespace switchyard {

enum class LogLevel { kQuiet, kInfo, kVerbose };

void set_log_level(LogLevel level);
// From now on, also appends every line to this file. Error(kRuntime) if it cannot be opened.
void open_log_file(const std::string& path);

// "[2026-11-22 10:02:11] text" at kInfo and above.
void log_info(std::string_view text);
void log_verbose(std::string_view text);
// "TOOL: warning: text" and "TOOL: error: text" at every level.
void log_warning(std::string_view text);
void log_error(std::string_view text);
// The name that precedes warnings and errors: "switch-train".
void set_tool_name(std::string_view name);

// A line at the bottom of the terminal, redrawn in place, with log lines printed above it. Empty
// text removes it. No effect if stderr is not a terminal.
void set_status_line(std::string_view text);

}  // namespace switchyard
