// SPDX-License-Identifier: Apache-2.0
// Reads the input as config.json and as generation_config.json.
#include "src/io/generation_config.h"
#include "src/io/hf_config.h"
#include "src/nn/model.h"
#include "tests/fuzz/target.h"

using namespace switchyard;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const MemoryFile file(data, size);
  read_or_reject(ErrorKind::kData, [&] {
    const FileConfig config = read_config(file.path());
    validate(config.model);
    parameter_count(config.model);
  });
  read_or_reject(ErrorKind::kData, [&] {
    ModelConfig model;
    read_generation_config(file.path(), model);
    validate(model);
  });
  return 0;
}
