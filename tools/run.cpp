// SPDX-License-Identifier: Apache-2.0
#include "tools/run.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>

#include "src/core/error.h"
#include "src/core/log.h"
#include "src/core/mapped_file.h"

namespace switchyard {

namespace {

// The reader of stdout is gone: there is nothing left to do, and nothing is wrong.
struct StdoutClosed {};

std::string& stdout_name() {
  static std::string name = "stdout";
  return name;
}

[[noreturn]] void stdout_failed(int error) {
  if (error == EPIPE) throw StdoutClosed{};
  fail(ErrorKind::kRuntime, stdout_name(),
       ": write error: ", std::generic_category().message(error));
}

// If the program is started without stdin, stdout or stderr (`>&-`), the first file opened would
// take its place. Occupies it with a descriptor that can be neither read nor written.
void occupy_standard_streams() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd)
    if (::fcntl(fd, F_GETFD) == -1 && errno == EBADF)
      (void)::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

// Reports a mapped file that was truncated while in use (core/mapped_file.h). Any other fault is a
// bug and gets the default action. Calls only async-signal-safe functions.
std::string& fault_prefix() {
  static std::string prefix;  // "TOOL: error: "
  return prefix;
}
void on_bus_error(int signal, siginfo_t* info, void*) {
  const char* const path = mapped_file_at(info->si_addr);
  if (!path) {
    std::signal(signal, SIG_DFL);
    return;  // to repeat the access
  }
  for (const std::string_view part :
       {std::string_view(fault_prefix()), std::string_view(path),
        std::string_view(": changed while in use: it was truncated, or cannot be read\n")})
    if (::write(STDERR_FILENO, part.data(), part.size()) < 0) break;
  _exit(static_cast<int>(ErrorKind::kRuntime));
}

void catch_bus_errors(std::string_view tool) {
  fault_prefix() = std::string(tool) + ": error: ";
  struct sigaction action = {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);
}

int report(std::string_view message, int code) {
  set_status_line("");
  // Always one line: file names may contain newlines and escape codes.
  log_error(escaped(message, message.size()));
  return code;
}

}  // namespace

int run_main(std::string_view tool, const std::function<int()>& f) {
  occupy_standard_streams();
  // Without a reader, or above the file size limit, write() must fail, not kill the program.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  set_tool_name(tool);
  catch_bus_errors(tool);
  try {
    const int code = f();
    flush_stdout();
    return code;
  } catch (const StdoutClosed&) {
    return 0;
  } catch (const Error& e) {
    return report(e.what(), static_cast<int>(e.kind()));
  } catch (const std::bad_alloc&) {
    return report("out of memory", 1);
  } catch (const std::filesystem::filesystem_error& e) {
    return report(e.path1().string() + ": " + e.code().message(), 1);
  } catch (const std::system_error& e) {
    // A library could not start its threads.
    return report("cannot start a thread: " + e.code().message(), 1);
  } catch (const std::exception& e) {
    return report(std::string("internal error: ") + e.what(), 1);
  }
}

void write_stdout(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) stdout_failed(errno);
}

void flush_stdout() {
  if (std::fflush(stdout) != 0) stdout_failed(errno);
}

void redirect_stdout(const std::filesystem::path& file) {
  stdout_name() = escaped(file.string());
  check(std::freopen(file.c_str(), "w", stdout) != nullptr, ErrorKind::kRuntime, stdout_name(),
        ": cannot be opened for writing: ", std::generic_category().message(errno));
}

}  // namespace switchyard
