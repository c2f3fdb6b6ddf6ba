// SPDX-License-Identifier: Apache-2.0
// Names and shapes of parameters in Hugging Face's files, including alternative names for the same
// tensors.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "src/io/tensor_source.h"
#include "src/nn/model.h"

namespace switchyard {

// A parameter's name in a file of this model_type: T5 calls feed-forwards DenseReluDense.
std::string file_name_of(const std::string& param_name, const std::string& model_type);

// A parameter's shape in a file, where vectors are one-dimensional.
std::vector<std::int64_t> stored_shape(const Param& param);

// The tensors in which a model is saved, in the order of transformers: names, and parameters with
// their values.
std::vector<std::pair<std::string, const Param*>> written_tensors(const Model& model);

// The tensors of a source by canonical name, that is, without the prefix "switch_transformers."
// found in files of the bare model. Keeps track of which tensors have been used.
class HfTensors {
 public:
  struct Found {
    std::string name;  // in the file
    const StoredTensor* tensor;
    bool used = false;
  };

  // `source` must outlive this object. Error(kData) if two names differ only in the prefix.
  explicit HfTensors(const TensorSource& source);

  const TensorSource& source() const { return source_; }
  const std::map<std::string, Found>& all() const { return found_; }

  // Returns the tensor with this canonical name and marks it as used; null if there is none.
  const Found* use(const std::string& name);
  // The embedding shared by encoder and decoder, or a copy of it; the head, if it is stored.
  const Found* use_shared();
  const Found* use_head();

 private:
  const TensorSource& source_;
  std::map<std::string, Found> found_;
};

}  // namespace switchyard
