// SPDX-License-Identifier: Apache-2.0
#include "src/text/line_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/core/file_content.h"
#include "src/core/log.h"
#include "src/text/utf8.h"

namespace switchyard {

namespace {

constexpr std::size_t kChunkBytes = std::size_t{64} << 10;
constexpr std::size_t kMaxLineBytes = std::size_t{1} << 30;
// Byte statistics are considered only for a file of at least this size.
constexpr std::size_t kEnoughBytes = 512;
// This many lines with a carriage return in the middle are no accident.
constexpr std::int64_t kManySplitLines = 10;

// Returns what the first bytes of a file look like; empty if they look like UTF-8 text.
std::string_view looks_like(std::string_view start) {
  const std::string_view content = recognised_binary(start);
  if (!content.empty()) return content;
  if (start.size() < kEnoughBytes) return {};
  std::size_t nul[2] = {0, 0}, control = 0;
  for (std::size_t i = 0; i < start.size(); ++i) {
    const auto byte = static_cast<unsigned char>(start[i]);
    if (byte == 0) ++nul[i % 2];
    if (byte < 0x20 && (byte < '\t' || byte > '\r') && byte != 0x1b) ++control;
  }
  if (std::max(nul[0], nul[1]) > start.size() / 3 && std::min(nul[0], nul[1]) < start.size() / 20)
    return "UTF-16 without a byte order mark";
  std::int64_t ill_formed = 0;
  valid_utf8(start, &ill_formed);
  if (control + static_cast<std::size_t>(ill_formed) > start.size() * 3 / 10)
    return "binary data, or text that is not UTF-8";
  return {};
}

}  // namespace

struct LineReader::Impl {
  std::string name;
  int fd = -1;
  std::int64_t size_bytes = 0;  // of a regular file, when it was opened
  gzFile gz = nullptr;
  std::string buffer;
  std::size_t begin = 0;     // of the next line
  std::size_t searched = 0;  // there is no \n between `begin` and here
  bool at_end = false;
  bool judged = false;  // the start looks like text
  bool warned_of_returns = false;
  std::int64_t split_lines = 0;  // lines with text after a \r
  std::int64_t lines = 0;

  ~Impl() {
    if (gz) gzclose(gz);
    if (!gz && fd > STDIN_FILENO) ::close(fd);
  }

  std::size_t read_some(char* to, std::size_t count) {
    if (gz) {
      const int n = gzread(gz, to, static_cast<unsigned>(count));
      int code = Z_OK;
      const char* reason = gzerror(gz, &code);
      // A truncated file ends in Z_BUF_ERROR, after its last bytes.
      check(n > 0 || (n == 0 && code == Z_OK) || (n == 0 && code == Z_STREAM_END), ErrorKind::kData,
            name, ": damaged gzip file: ", reason);
      check(!gzdirect(gz), ErrorKind::kData, name, ": not a gzip file");
      return static_cast<std::size_t>(n);
    }
    for (;;) {
      const ssize_t n = ::read(fd, to, count);
      if (n > 0) return static_cast<std::size_t>(n);
      if (n == 0) {
        check(size_bytes == 0 || ::lseek(fd, 0, SEEK_CUR) >= size_bytes, ErrorKind::kRuntime, name,
              ": ended before its ", size_bytes, " bytes; was it truncated while being read?");
        return 0;
      }
      check(errno == EINTR, ErrorKind::kRuntime, name,
            ": cannot read: ", std::generic_category().message(errno));
    }
  }

  // Appends the available bytes; blocks until there are some.
  void fill() {
    buffer.erase(0, begin);
    searched -= begin;
    begin = 0;
    const std::size_t kept = buffer.size();
    buffer.resize(kept + kChunkBytes);
    const std::size_t n = read_some(buffer.data() + kept, kChunkBytes);
    buffer.resize(kept + n);
    at_end = n == 0;
  }

  // Warns once if a line looks like several lines that end in CR alone: if it has two CRs, or one
  // and no \n after it, or if half of the lines so far have a CR in the middle.
  void warn_of_returns(const std::string& line, bool ended) {
    if (warned_of_returns) return;
    const auto returns = std::count(line.begin(), line.end(), '\r');
    if (returns > 0 && line.find('\r') + 1 < line.size()) ++split_lines;
    const bool many = split_lines >= kManySplitLines && 2 * split_lines >= lines;
    if (returns == 0 || (returns < (ended ? 2 : 1) && !many)) return;
    warned_of_returns = true;
    log_warning(name + ":" + std::to_string(lines) + ": CR line ends? This line has " +
                counted(returns, "carriage return") +
                " in it, but only LF and CRLF end a line; convert such a file with tr '\\r' '\\n'");
  }

  bool find_end(std::size_t& end) {
    end = buffer.find('\n', std::max(begin, searched));
    searched = end == buffer.npos ? buffer.size() : end;
    return end != buffer.npos;
  }
};

LineReader::LineReader(const std::filesystem::path& path) : impl_(std::make_unique<Impl>()) {
  Impl& in = *impl_;
  in.name = path == "-" ? "stdin" : escaped(path.string());
  in.fd = path == "-" ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  check(in.fd >= 0, ErrorKind::kRuntime, in.name,
        ": cannot open: ", std::generic_category().message(errno));
  struct stat status = {};
  if (::fstat(in.fd, &status) == 0 && S_ISREG(status.st_mode)) in.size_bytes = status.st_size;
  if (path.extension() == ".gz") {
    in.gz = gzdopen(in.fd, "rb");
    if (!in.gz) throw std::bad_alloc();
  }
}

LineReader::~LineReader() = default;
LineReader::LineReader(LineReader&&) noexcept = default;
LineReader& LineReader::operator=(LineReader&&) noexcept = default;

bool LineReader::next(std::string& line) {
  Impl& in = *impl_;
  std::size_t end = 0;
  if (!in.judged) {
    while (in.buffer.size() < kEnoughBytes && !in.find_end(end) && !in.at_end) in.fill();
    in.judged = true;
    const std::string_view found = looks_like(std::string_view(in.buffer).substr(0, kChunkBytes));
    check(found.empty(), ErrorKind::kData, in.name, ": looks like ", found,
          ", expected UTF-8 text (plain, or gzipped and named .gz)");
    if (in.buffer.starts_with("\xef\xbb\xbf")) in.begin = 3;
  }
  while (!in.find_end(end) && !in.at_end) {
    check(in.buffer.size() < kMaxLineBytes, ErrorKind::kData, in.name, ":", in.lines + 1,
          ": a line of more than ", kMaxLineBytes, " bytes");
    in.fill();
  }
  const bool ended = end != in.buffer.npos;
  if (ended) {
    line.assign(in.buffer, in.begin, end - in.begin);
    if (line.ends_with('\r')) line.pop_back();
    in.begin = in.searched = end + 1;
  } else {
    if (in.begin == in.buffer.size()) return false;
    line.assign(in.buffer, in.begin);
    in.begin = in.searched = in.buffer.size();
  }
  ++in.lines;
  in.warn_of_returns(line, ended);
  return true;
}

bool LineReader::ready() {
  Impl& in = *impl_;
  std::size_t end = 0;
  for (;;) {
    // next() rejects a line that is too long, so there is no need to read more.
    if (in.find_end(end) || in.at_end || in.gz || in.buffer.size() >= kMaxLineBytes) return true;
    pollfd waiting = {in.fd, POLLIN, 0};
    if (::poll(&waiting, 1, 0) <= 0) return false;
    in.fill();
  }
}

std::int64_t LineReader::lines() const { return impl_->lines; }

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  LineReader reader(path);
  std::vector<std::string> lines;
  for (std::string line; reader.next(line);) lines.push_back(line);
  return lines;
}

}  // namespace switchyard
