// SPDX-License-Identifier: Apache-2.0
// A library for LD_PRELOAD that records a program's file system calls and makes them fail. It
// counts the calls on paths in one directory (except train.log, which does not matter) from 1, and
// does what the environment says:
//   FAULT_DIRECTORY  the directory, an absolute path
//   FAULT_CALLS      the calls that count, separated by commas; all if not set: open (for reading),
//                    create, write, ftruncate, fsync, close, rename, mkdir, symlink, unlink, rmdir
//   FAULT_LOG        a file that gets "NUMBER CALL PATH" for each, and the old path of a rename
//   FAULT            kill: SIGKILL before the call; sleep: 3 s before it; short: writes half of the
//                    bytes; a number: the call fails with this errno
//   FAULT_AT         the number of the call that fails
//   FAULT_FROM       it and all later calls fail
//   FAULT_EVERY      calls whose number is a multiple of this fail
// The calls are made with syscall(), so nothing here depends on the library being intercepted. The
// functions below are defined under both names, with and without 64.
#undef _FILE_OFFSET_BITS
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace {

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

struct Plan {
  std::string directory = setting("FAULT_DIRECTORY"), calls = setting("FAULT_CALLS"),
              log = setting("FAULT_LOG"), fault = setting("FAULT");
  long at = std::atol(setting("FAULT_AT").c_str()), from = std::atol(setting("FAULT_FROM").c_str()),
       every = std::atol(setting("FAULT_EVERY").c_str());

  bool has(std::string_view path) const {
    return !directory.empty() && path.substr(0, directory.size()) == directory &&
           (path.size() == directory.size() || path[directory.size()] == '/') &&
           path != directory + "/train.log";
  }
  bool counts(const std::string& call) const {
    return calls.empty() || ("," + calls + ",").find("," + call + ",") != std::string::npos;
  }
  bool strikes(long number) const {
    return number == at || (from > 0 && number >= from) || (every > 0 && number % every == 0);
  }
};

const Plan& plan() {
  static const Plan the_plan;
  return the_plan;
}

std::string path_of(int fd) {
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = readlink(link.c_str(), path, sizeof(path));
  return length > 0 ? std::string(path, static_cast<std::size_t>(length)) : "";
}

std::string path_at(int directory, const char* path) {
  return directory == AT_FDCWD || path[0] == '/' ? path : path_of(directory) + "/" + path;
}

void record(long number, const char* call, const std::string& path, const std::string& from) {
  if (plan().log.empty()) return;
  const std::string line =
      std::to_string(number) + " " + call + " " + path + (from.empty() ? "" : " " + from) + "\n";
  const long fd = syscall(SYS_openat, AT_FDCWD, plan().log.c_str(),
                          O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  syscall(SYS_write, fd, line.data(), line.size());
  syscall(SYS_close, fd);
}

// Counts a call and does what must happen before it. Returns true if the call must fail, with errno
// set.
bool struck(const char* call, const std::string& path, const std::string& from = "") {
  static std::atomic<long> calls{0};
  const int error = errno;
  if (!plan().has(path) || !plan().counts(call)) return false;
  const long number = ++calls;
  record(number, call, path, from);
  errno = error;
  if (!plan().strikes(number)) return false;
  if (plan().fault == "kill") syscall(SYS_kill, getpid(), SIGKILL);
  if (plan().fault == "sleep") {
    timespec rest = {3, 0};
    while (nanosleep(&rest, &rest) != 0) continue;
    errno = error;
    return false;
  }
  if (plan().fault != "short") errno = std::atoi(plan().fault.c_str());
  return true;
}

int opened(int directory, const char* path, int flags, va_list arguments) {
  const mode_t mode = (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(arguments, mode_t) : 0;
  if (struck(flags & O_CREAT ? "create" : "open", path_at(directory, path))) return -1;
  return static_cast<int>(syscall(SYS_openat, directory, path, flags, mode));
}

// How many of `bytes` to write; 0: the call fails.
size_t share_of(int fd, size_t bytes) {
  if (!struck("write", path_of(fd))) return bytes;
  return plan().fault == "short" ? (bytes + 1) / 2 : 0;
}

int made(const char* call, int directory, const char* path, long number, long a, long b) {
  if (struck(call, path_at(directory, path))) return -1;
  return static_cast<int>(syscall(number, directory, path, a, b));
}

int renamed(int from, const char* old_path, int to, const char* new_path, unsigned flags) {
  if (struck("rename", path_at(to, new_path), path_at(from, old_path))) return -1;
  return static_cast<int>(syscall(SYS_renameat2, from, old_path, to, new_path, flags));
}

int removed(int directory, const char* path, int flags) {
  return made(flags & AT_REMOVEDIR ? "rmdir" : "unlink", directory, path, SYS_unlinkat, flags, 0);
}

int linked(const char* target, int directory, const char* path) {
  if (struck("symlink", path_at(directory, path))) return -1;
  return static_cast<int>(syscall(SYS_symlinkat, target, directory, path));
}

int cut(int fd, off_t size) {
  if (struck("ftruncate", path_of(fd))) return -1;
  return static_cast<int>(syscall(SYS_ftruncate, fd, size));
}

int synced(int fd, long number) {
  if (struck("fsync", path_of(fd))) return -1;
  return static_cast<int>(syscall(number, fd));
}

}  // namespace

// The functions of the C library, including those for large files, which are the same on 64 bits.
extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int fd = opened(AT_FDCWD, path, flags, arguments);
  va_end(arguments);
  return fd;
}

int openat(int directory, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int fd = opened(directory, path, flags, arguments);
  va_end(arguments);
  return fd;
}

int open64(const char* path, int flags, ...) __attribute__((alias("open")));
int openat64(int directory, const char* path, int flags, ...) __attribute__((alias("openat")));

ssize_t write(int fd, const void* data, size_t bytes) {
  const size_t share = share_of(fd, bytes);
  return share == 0 && bytes > 0 ? -1 : syscall(SYS_write, fd, data, share);
}

ssize_t pwrite(int fd, const void* data, size_t bytes, off_t offset) {
  const size_t share = share_of(fd, bytes);
  return share == 0 && bytes > 0 ? -1 : syscall(SYS_pwrite64, fd, data, share, offset);
}
ssize_t pwrite64(int fd, const void* data, size_t bytes, off64_t offset)
    __attribute__((alias("pwrite")));

int ftruncate(int fd, off_t size) noexcept { return cut(fd, size); }
int ftruncate64(int fd, off64_t size) noexcept __attribute__((alias("ftruncate")));

int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

int close(int fd) {
  // Closes it anyway, as Linux does when it reports EIO.
  const bool spoiled = struck("close", path_of(fd));
  const int error = errno;
  const long result = syscall(SYS_close, fd);
  if (spoiled) errno = error;
  return spoiled ? -1 : static_cast<int>(result);
}

int rename(const char* from, const char* to) noexcept {
  return renamed(AT_FDCWD, from, AT_FDCWD, to, 0);
}
int renameat(int from, const char* old_path, int to, const char* new_path) noexcept {
  return renamed(from, old_path, to, new_path, 0);
}
int renameat2(int from, const char* old_path, int to, const char* new_path,
              unsigned flags) noexcept {
  return renamed(from, old_path, to, new_path, flags);
}

int mkdir(const char* path, mode_t mode) noexcept {
  return made("mkdir", AT_FDCWD, path, SYS_mkdirat, mode, 0);
}
int mkdirat(int directory, const char* path, mode_t mode) noexcept {
  return made("mkdir", directory, path, SYS_mkdirat, mode, 0);
}

int symlink(const char* target, const char* path) noexcept {
  return linked(target, AT_FDCWD, path);
}
int symlinkat(const char* target, int directory, const char* path) noexcept {
  return linked(target, directory, path);
}

int unlink(const char* path) noexcept { return removed(AT_FDCWD, path, 0); }
int unlinkat(int directory, const char* path, int flags) noexcept {
  return removed(directory, path, flags);
}
int rmdir(const char* path) noexcept { return removed(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char* path) noexcept {
  const int result = removed(AT_FDCWD, path, 0);
  return result != 0 && errno == EISDIR ? removed(AT_FDCWD, path, AT_REMOVEDIR) : result;
}

}  // extern "C"
