// SPDX-License-Identifier: Apache-2.0
// Names and shapes of parameters in Hugging Face's files, and the other names that files have for
// the same tensors.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "src/io/tensor_source.h"
#include "src/nn/param.h"

namespace switchyard {

// The name of a parameter in a file of this model_type: T5's feed-forwards are DenseReluDense.
std::string file_name_of(const std::string& param_name, const std::string& model_type);

// The shape a parameter has in a file: a vector is one-dimensional there.
std::vector<std::int64_t> stored_shape(const Param& param);

// The tensors of a source by canonical name, without the prefix that files of the bare model have
// before every name; remembers which of them have been used.
class HfTensors {
 public:
  struct Found {
    std::string name;  // in the file
    const StoredTensor* tensor;
    bool used = false;
  };

  // `source` must outlive this. Error(kData) if two names are the same without the prefix.
  explicit HfTensors(const TensorSource& source);

  const TensorSource& source() const { return source_; }
  const std::map<std::string, Found>& all() const { return found_; }

  // The tensor of this canonical name, marked as used; null if there is none.
  const Found* use(const std::string& name);
  // The embedding that encoder and decoder share, or a copy of it; the head, if it has a tensor.
  const Found* use_shared();
  const Found* use_head();

 private:
  const TensorSource& source_;
  std::map<std::string, Found> found_;
};

}  // namespace switchyard
