// SPDX-License-Identifier: Apache-2.0
// Reads PyTorch's pickled description of a state dict: for each tensor its storage and the part of
// it that the tensor covers. Tensors may share a storage, and need not be contiguous in it.
// Formats: torch/_utils.py (_rebuild_tensor_v2), torch/serialization.py (persistent_id).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

struct PickledTensor {
  std::string name;
  std::string_view dtype;  // as StoredTensor::dtype
  std::size_t element_bytes = 0;
  std::vector<std::int64_t> shape;    // at most 8 dimensions, as are the strides
  std::vector<std::int64_t> strides;  // in elements, not negative
  std::string storage;                // names the file in the archive that holds it
  std::size_t storage_elements = 0;
  std::size_t first = 0;  // element of the storage

  // Elements lie one after the other, in row-major order.
  bool contiguous() const;
};

// Returns the tensors in the pickle's order. Every element is inside its storage, and the number of
// bytes in a tensor and in its storage fits into 64 bits. Error(kData) naming the tensor if the
// pickle is anything but a dict of tensors; see Pickle.
std::vector<PickledTensor> read_state_dict(std::string_view pickle);

}  // namespace switchyard
