// SPDX-License-Identifier: Apache-2.0
// Reads the input as the description of a zarr array and, after the first NUL, the first chunk of
// arrays with one to three dimensions: an array that opens can be read, or its chunk is damaged.
#include "src/io/zarr.h"

#include <algorithm>
#include <fstream>
#include <string_view>
#include <vector>

#include "tests/fuzz/target.h"
#include "tests/support/temp_directory.h"

using namespace switchyard;

constexpr std::size_t kMostRead = 1 << 16;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TempDirectory directory;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(input.find('\0'), size);
  write_text(directory / ".zarray", input.substr(0, end));
  for (const char* name : {"0", "0.0", "0.0.0"})
    write_text(directory / name, input.substr(std::min(end + 1, size)));
  read_or_reject(ErrorKind::kData, [&] {
    const ChunkedArray array = open_zarr(directory.path());
    std::vector<std::byte> slab(array.slab_bytes() <= kMostRead ? array.slab_bytes() : 0);
    for (const bool transposed : {false, true})
      if (!slab.empty()) read_slabs(array, 0, 1, transposed, slab);
  });
  return 0;
}
