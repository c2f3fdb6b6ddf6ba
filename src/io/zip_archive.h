// SPDX-License-Identifier: Apache-2.0
// Where the files of an uncompressed zip archive are, so that they can be read without unpacking
// it.
#pragma once

#include <cstddef>
#include <map>
#include <string>

#include "src/core/file.h"

namespace switchyard {

struct ZipEntry {
  std::size_t begin = 0;  // offset in the archive
  std::size_t bytes = 0;
};

// Sorted by name.
using ZipEntries = std::map<std::string, ZipEntry, std::less<>>;

// Returns the archive's files; each is inside `file`. Checksums are not checked: torch can write
// archives without. Error(kData), without the file's name, if it is not a complete zip archive or
// an entry is compressed, encrypted, there twice, or not below a directory of the archive;
// Error(kRuntime) if the file cannot be read.
ZipEntries zip_entries(const InputFile& file);

}  // namespace switchyard
