// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/metrics_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "src/core/error.h"
#include "src/core/log.h"
#include "src/core/system_call.h"

namespace switchyard {

MetricsFile::MetricsFile(const std::filesystem::path& path, std::int64_t bytes)
    : path_(path), bytes_(bytes) {
  Descriptor file(
      retry([&] { return ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666); }));
  if (file.get() < 0) fail_errno(path, "cannot open", errno);
  const std::int64_t size = ::lseek(file.get(), 0, SEEK_END);
  if (size < bytes) {
    log_warning(escaped(path.native()) +
                ": shorter than when the checkpoint was written; records are missing");
    bytes_ = size;
  } else if (retry([&] { return ::ftruncate(file.get(), bytes); }) != 0) {
    fail_errno(path, "cannot truncate to " + std::to_string(bytes) + " bytes", errno);
  }
  fd_ = file.release();
}

MetricsFile::~MetricsFile() { ::close(fd_); }

void MetricsFile::append(nlohmann::json record) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  record["time"] = std::round(std::chrono::duration<double>(now).count() * 1000) / 1000;
  // Values that JSON cannot represent (an infinite loss) become null.
  pending_ += record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  try {
    flush();
  } catch (const Error& e) {
    if (!warned_) log_warning(std::string(e.what()) + "; records are kept to be written later");
    warned_ = true;
  }
}

// Writes all pending records, or none.
void MetricsFile::flush() {
  if (::lseek(fd_, bytes_, SEEK_SET) < 0 || write_all(fd_, pending_) < pending_.size()) {
    const int error = errno;
    // If truncation fails as well, the partial line is overwritten by the next record.
    [[maybe_unused]] const int cut = retry([&] { return ::ftruncate(fd_, bytes_); });
    fail_errno(path_, "write error after " + std::to_string(bytes_) + " bytes", error);
  }
  bytes_ += static_cast<std::int64_t>(pending_.size());
  pending_.clear();
}

std::int64_t MetricsFile::sync() {
  flush();
  if (retry([&] { return ::fsync(fd_); }) != 0) fail_errno(path_, "fsync", errno);
  return bytes_;
}

}  // namespace switchyard
