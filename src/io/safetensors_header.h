// SPDX-License-Identifier: Apache-2.0
// The JSON header of a safetensors file, read event by event: no tree is built of it, so that a
// header of a million tensors costs little more than the tensors' list.
#pragma once

#include <cstddef>
#include <string_view>

#include "src/io/tensor_source.h"

namespace switchyard {

constexpr std::size_t kMaxHeaderBytes = 100'000'000;  // the format's own limit

// The tensors, each with its place within the `data_bytes` that follow. Error(kData) naming the
// tensor if the header is no JSON, is not of the format, or describes what lies outside the data.
TensorMap parse_safetensors_header(std::string_view header, std::size_t data_bytes);

}  // namespace switchyard
