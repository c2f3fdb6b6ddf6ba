// SPDX-License-Identifier: Apache-2.0
// The header of a prepared file: which tensors it has, in which layout, and where.
//
//   bytes 0-7    "\x93SWPREP\n"
//   8-11         version of the format; like all numbers, in the machine's byte order
//   12-15        0x01020304, which shows that order
//   16-23        size of the JSON text that starts at byte 64
//   24-31        XXH64 of that text
//   32-39        size of the file
//   40-63        0
//
// The text is {"compute_type": "int8", "source": [{"name", "bytes", "modified_ns", "sample",
// "checksum"}...], "tensors": {NAME: {"layout", "shape", "offset", "bytes", "checksum"}...}}. The
// data begins at the next multiple of 4096. Offsets are relative to it and multiples of 64, or of
// 4096 for tensors of 64 KiB or more. Gaps are filled with zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "src/io/source.h"

namespace switchyard {

struct PreparedTensor {
  std::string layout;  // stored_layout(); empty: the file has the float32 value
  std::int64_t rows = 0, cols = 0;
  std::uint64_t offset = 0, bytes = 0;
  std::uint64_t checksum = 0;  // XXH64

  bool operator==(const PreparedTensor&) const = default;
};

struct PreparedHeader {
  std::string compute_type;
  Source source;
  std::map<std::string, PreparedTensor, std::less<>> tensors;
  std::uint64_t data_begin = 0;

  // For writing: places the tensors one after another, sorted by name, and returns the bytes that
  // precede the data.
  std::string lay_out();

  // Reads and validates the header of a file: every tensor is inside the file and overlaps no
  // other. Returns false, without tensors, if the file has another version or byte order.
  // Error(kData), naming `path`, if the header is damaged; its fields must not be used then.
  bool read(std::span<const std::byte> file, const fs::path& path);

 private:
  void check_places(std::uint64_t data_bytes) const;
};

}  // namespace switchyard
