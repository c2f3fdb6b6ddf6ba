// SPDX-License-Identifier: Apache-2.0
#include "src/core/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <mutex>

#include "src/core/system_call.h"

namespace switchyard {

namespace {

struct Log {
  std::mutex mutex;
  LogLevel level = LogLevel::kInfo;
  std::string tool = "switchyard";
  std::string status;
  int file = -1;
  bool terminal = ::isatty(STDERR_FILENO) == 1;
};

Log& the_log() {
  static Log log;
  return log;
}

std::string time_stamp() {
  const std::time_t now = std::time(nullptr);
  std::tm local = {};
  ::localtime_r(&now, &local);
  char text[32];
  const std::size_t length = std::strftime(text, sizeof(text), "[%Y-%m-%d %H:%M:%S] ", &local);
  return std::string(text, length);
}

// The caller holds the mutex. One write() per line keeps the lines of several processes from
// interleaving. Failures to write the log are ignored.
void print_line(Log& log, const std::string& line, bool to_stderr) {
  if (to_stderr && log.terminal && !log.status.empty())
    write_all(STDERR_FILENO, "\r\x1b[K" + line + "\n" + log.status);
  else if (to_stderr)
    write_all(STDERR_FILENO, line + "\n");
  if (log.file >= 0) write_all(log.file, line + "\n");
}

void log_at(LogLevel level, std::string_view text) {
  Log& log = the_log();
  const std::lock_guard<std::mutex> lock(log.mutex);
  // A quiet program still writes its log file; verbose lines only on request.
  if (level == LogLevel::kVerbose && log.level < level) return;
  print_line(log, time_stamp() + std::string(text), log.level >= level);
}

void log_problem(const char* kind, std::string_view text) {
  Log& log = the_log();
  const std::lock_guard<std::mutex> lock(log.mutex);
  print_line(log, log.tool + ": " + kind + ": " + std::string(text), true);
}

}  // namespace

void set_log_level(LogLevel level) {
  Log& log = the_log();
  const std::lock_guard<std::mutex> lock(log.mutex);
  log.level = level;
}

void open_log_file(const std::string& path) {
  const int fd =
      retry([&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666); });
  if (fd < 0) fail_errno(path, "cannot open the log file", errno);
  Log& log = the_log();
  const std::lock_guard<std::mutex> lock(log.mutex);
  if (log.file >= 0) ::close(log.file);
  log.file = fd;
}

void log_info(std::string_view text) { log_at(LogLevel::kInfo, text); }
void log_verbose(std::string_view text) { log_at(LogLevel::kVerbose, text); }

void log_warning(std::string_view text) { log_problem("warning", text); }
void log_error(std::string_view text) { log_problem("error", text); }

void set_tool_name(std::string_view name) {
  Log& log = the_log();
  const std::lock_guard<std::mutex> lock(log.mutex);
  log.tool = name;
}

void set_status_line(std::string_view text) {
  Log& log = the_log();
  const std::lock_guard<std::mutex> lock(log.mutex);
  if (!log.terminal || log.level == LogLevel::kQuiet || text == log.status) return;
  log.status = text;
  write_all(STDERR_FILENO, "\r\x1b[K" + log.status);
}

}  // namespace switchyard
