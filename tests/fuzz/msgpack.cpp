// SPDX-License-Identifier: Apache-2.0
// Reads the input as the file of a T5X checkpoint: every array that passes the checks is inside the
// file.
#include <cstdlib>
#include <variant>

#include "src/io/flax_file.h"
#include "tests/fuzz/target.h"

using namespace switchyard;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile file(data, size);
  read_or_reject(ErrorKind::kData, [&] {
    for (const auto& [path, value] : read_flax_file(InputFile(file.path())))
      if (const auto* array = std::get_if<FlaxArray>(&value))
        if (array->begin > size || array->bytes > size - array->begin) std::abort();
  });
  return 0;
}
