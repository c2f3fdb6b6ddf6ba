// SPDX-License-Identifier: Apache-2.0
// metrics.jsonl: one JSON object per line, appended.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace switchyard {

class MetricsFile {
 public:
  // Truncates the file to `bytes`, its size when the checkpoint was written. Error(kRuntime).
  MetricsFile(const std::filesystem::path& path, std::int64_t bytes);
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  // Adds "time" to the record and writes it. If that fails, warns once and keeps the record to
  // write it with a later one; the file only ever has whole lines.
  void append(nlohmann::json record);
  // Makes all records durable and returns the file's size. Error(kRuntime) if that fails.
  std::int64_t sync();

 private:
  void flush();

  std::filesystem::path path_;
  int fd_ = -1;
  std::int64_t bytes_;   // of the file: whole lines
  std::string pending_;  // not yet written
  bool warned_ = false;
};

}  // namespace switchyard
