// SPDX-License-Identifier: Apache-2.0
#include "src/io/weight_files.h"

#include <system_error>

#include "src/core/error.h"
#include "src/core/log.h"
#include "src/io/foreign_model.h"
#include "src/io/safetensors.h"
#include "src/io/weight_shards.h"

namespace switchyard {

namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

// Also true for a dangling link; opening it reports the problem.
bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

}  // namespace

std::unique_ptr<TensorSource> open_weights(const fs::path& directory) {
  const bool has_index = is_there(directory / kIndex);
  if (is_there(directory / kSingle)) {
    if (has_index)
      log_warning(escaped(directory.native()) + ": both " + kSingle + " and " + kIndex +
                  " exist; the index is not read");
    return std::make_unique<SafetensorsFile>(directory / kSingle);
  }
  if (has_index)
    return std::make_unique<WeightShards>(
        directory / kIndex, ".safetensors",
        [](const fs::path& path) { return std::make_unique<SafetensorsFile>(path); });
  fail_without_model(directory, kSingle);
}

}  // namespace switchyard
