// SPDX-License-Identifier: Apache-2.0
#include "src/io/weight_files.h"

#include <system_error>

#include "src/core/error.h"
#include "src/core/log.h"
#include "src/io/foreign_model.h"
#include "src/io/pytorch_file.h"
#include "src/io/safetensors.h"
#include "src/io/weight_shards.h"

namespace switchyard {

namespace {

struct Format {
  const char* file;
  const char* index;
  const char* extension;  // of the shards in the index
  WeightShards::Open open;
};

template <class File>
Format format(const char* file, const char* index, const char* extension) {
  return {file, index, extension,
          [](const fs::path& path) { return std::make_unique<File>(path); }};
}

// Also true for a dangling link; opening it reports the problem.
bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

}  // namespace

std::unique_ptr<TensorSource> open_weights(const fs::path& directory) {
  const Format formats[] = {
      format<SafetensorsFile>("model.safetensors", "model.safetensors.index.json", ".safetensors"),
      format<PytorchFile>("pytorch_model.bin", "pytorch_model.bin.index.json", ".bin")};
  for (const Format& format : formats) {
    const bool has_index = is_there(directory / format.index);
    if (is_there(directory / format.file)) {
      if (has_index)
        log_warning(escaped(directory.native()) + ": both " + format.file + " and " + format.index +
                    " exist; the index is not read");
      return format.open(directory / format.file);
    }
    if (has_index)
      return std::make_unique<WeightShards>(directory / format.index, format.extension,
                                            format.open);
  }
  fail_without_model(directory, formats[0].file);
}

}  // namespace switchyard
