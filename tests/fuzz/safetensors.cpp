// SPDX-License-Identifier: Apache-2.0
// Reads the input as model.safetensors: every tensor in a header that passes the checks can be
// read.
#include "src/io/safetensors.h"

#include <vector>

#include "tests/fuzz/target.h"
#include "tests/support/read_tensor.h"

using namespace switchyard;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile file(data, size);
  read_or_reject(ErrorKind::kData, [&] {
    const SafetensorsFile tensors(file.path());
    std::vector<std::byte> values;
    for (const auto& [name, tensor] : tensors.tensors()) {
      values.resize(tensor.bytes);
      tensors.read_bytes(name, 0, values);
      if (tensor.dtype == "F32" || tensor.dtype == "BF16" || tensor.dtype == "F16")
        read_f32(tensors, name);
    }
  });
  return 0;
}
