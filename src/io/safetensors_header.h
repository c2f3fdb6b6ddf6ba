// SPDX-License-Identifier: Apache-2.0
// Parses the JSON header of a safetensors file as a stream of events. No tree is built, so a header
// of a million tensors takes little more memory than the list of tensors.
#pragma once

#include <cstddef>
#include <string_view>

#include "src/io/tensor_source.h"

namespace switchyard {

constexpr std::size_t kMaxHeaderBytes = 100'000'000;  // the reference implementation's limit

// Returns the tensors; each `begin` is relative to the `data_bytes` bytes of data after the header.
// Error(kData) naming the tensor if the header is not valid JSON, not in the format, or describes
// bytes outside the data.
TensorMap parse_safetensors_header(std::string_view header, std::size_t data_bytes);

}  // namespace switchyard
