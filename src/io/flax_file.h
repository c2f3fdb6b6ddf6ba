// SPDX-License-Identifier: Apache-2.0
// Reads what Flax's serialization.to_bytes() writes: a tree of dicts and lists in msgpack whose
// leaves are texts, numbers and arrays. Values of arrays are not kept, only where they are.
// Format: flax/serialization.py (_MsgpackExtType, _ndarray_to_bytes).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "src/core/file.h"

namespace switchyard {

struct FlaxArray {
  std::string dtype;  // numpy's name
  std::vector<std::int64_t> shape;
  std::size_t begin = 0;  // offset of its elements in the file, in row-major order
  std::size_t bytes = 0;  // up to the end of the array; not yet compared with the shape
};

// std::monostate stands for everything else: null, true and false, fractions, complex numbers.
using FlaxValue = std::variant<std::monostate, std::int64_t, std::string, FlaxArray>;

// The leaves by path: the keys that lead to them, and indices in lists, joined by '/'.
using FlaxTree = std::map<std::string, FlaxValue, std::less<>>;

// Error(kData) naming the file and the byte if it is not one complete tree, is nested deeper than
// 32 levels, has more than 2^18 leaves, a path twice or one longer than 512 bytes; Error(kRuntime)
// if it cannot be read. While it is read, memory holds up to four copies of the largest array in
// it.
FlaxTree read_flax_file(const InputFile& file);

}  // namespace switchyard
