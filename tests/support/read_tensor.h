// SPDX-License-Identifier: Apache-2.0
// All values of a stored tensor at once.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "src/io/tensor_source.h"

namespace switchyard {

inline std::vector<float> read_f32(const TensorSource& source, const std::string& name) {
  std::vector<float> values(static_cast<std::size_t>(source.at(name).size()));
  source.read_f32(name, 0, values);
  return values;
}

// Of a tensor of dtype I64.
inline std::vector<std::int64_t> read_i64(const TensorSource& source, const std::string& name) {
  std::vector<std::int64_t> values(source.at(name).bytes / sizeof(std::int64_t));
  source.read_bytes(name, 0, std::as_writable_bytes(std::span(values)));
  return values;
}

}  // namespace switchyard
