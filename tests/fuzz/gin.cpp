// SPDX-License-Identifier: Apache-2.0
// Reads the input as a gin file, and looks up the value of every binding in it.
#include "src/io/gin.h"

#include "src/core/json.h"
#include "tests/fuzz/target.h"

using namespace switchyard;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile file(data, size);
  read_or_reject(ErrorKind::kData, [&] {
    const GinFile gin(file.path());
    for (const GinBinding& binding : gin.bindings())
      read_or_reject(ErrorKind::kData, [&] {
        if (const auto value = gin.find(binding.name)) value_text(*value);
      });
  });
  return 0;
}
