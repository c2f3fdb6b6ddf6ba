// SPDX-License-Identifier: Apache-2.0
// Reads the input as the pickle of a state dict and as pytorch_model.bin: every tensor that passes
// the checks can be read.
#include "src/io/pytorch_file.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "src/io/state_dict.h"
#include "tests/fuzz/target.h"

using namespace switchyard;

// A tensor with strides of 0 may be larger than any file.
constexpr std::size_t kMostRead = 1 << 16;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  read_or_reject(ErrorKind::kData, [&] {
    read_state_dict({reinterpret_cast<const char*>(data), size});
  });
  const MemoryFile file(data, size);
  read_or_reject(ErrorKind::kData, [&] {
    const PytorchFile tensors(file.path());
    std::vector<std::byte> values;
    for (const auto& [name, tensor] : tensors.tensors()) {
      values.resize(std::min(tensor.bytes, kMostRead));
      tensors.read_bytes(name, tensor.bytes - values.size(), values);
    }
  });
  return 0;
}
