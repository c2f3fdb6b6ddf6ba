// SPDX-License-Identifier: Apache-2.0
// Writes a float32 matrix row by row to a .npy file, or to a .safetensors file that may also have
// the offsets of groups of rows. The number of rows need not be known before the end, so memory
// does not grow with it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "src/core/durable_file.h"

namespace switchyard {

enum class RowFormat { kNpy, kSafetensors };

class RowFile {
 public:
  // `name` is that of the tensor, which a .npy file does not store. Durable: `path` appears, or is
  // replaced, when the file is finished.
  RowFile(const std::filesystem::path& path, RowFormat format, std::string name,
          std::int64_t columns);

  // Appends whole rows.
  void append(std::span<const float> rows);
  // Completes the file. `offsets` are the I64 tensor of that name, if there are any; a .npy file
  // has none.
  void finish(std::span<const std::int64_t> offsets = {});

 private:
  std::string npy_header() const;
  std::string safetensors_header(std::size_t offsets) const;

  DurableFile file_;
  RowFormat format_;
  std::string name_;
  std::int64_t columns_;
  std::int64_t rows_ = 0;
};

}  // namespace switchyard
