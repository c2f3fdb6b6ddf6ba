// SPDX-License-Identifier: Apache-2.0
// Bytes that are read in order: a part of a file, or a compressed file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

#include "src/core/file.h"

namespace switchyard {

class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Fills `to`. Error(kData) if the stream is damaged or ends too early.
  virtual void read(std::span<std::byte> to) = 0;
  // Error(kData) if there are more bytes.
  virtual void finish() = 0;
};

// The rest of a file from byte `begin`; `file` must outlive the stream.
std::unique_ptr<ByteStream> file_stream(const InputFile& file, std::size_t begin);

enum class Compression { none, gzip, zlib };

// The contents of a file. Decompresses a little at a time: memory does not depend on how much a
// file claims to hold. Error(kRuntime) if it cannot be read.
std::unique_ptr<ByteStream> open_stream(const std::filesystem::path& path, Compression compression);

// Returns false if no file of `compressed` bytes can hold `bytes`.
bool can_hold(Compression compression, std::size_t compressed, std::size_t bytes);

}  // namespace switchyard
