// SPDX-License-Identifier: Apache-2.0
// Which of Hugging Face's tensors a parameter of T5X is.
// Names: google/flaxformer (architectures/t5, architectures/moe), google-research/t5x
// (examples/t5/network.py), whose layers have the same names.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace switchyard {

struct T5xName {
  std::string name;    // Hugging Face's; of an expert, what precedes its number
  std::string suffix;  // what follows the number; empty if there is none
  std::size_t rank = 1;
  bool transposed = false;  // Hugging Face stores [out, in], Flax [in, out]
};

// `path` has the keys below "target", such as encoder/layers_0/mlp/wi/kernel. A feed-forward is
// called "mlp" in a Switch Transformer, and "DenseReluDense" in T5. Empty if there is no such
// tensor.
std::optional<T5xName> hf_name_of(std::string_view path, bool switch_transformer);

// Returns true if a parameter belongs to experts, which T5 does not have.
bool is_of_experts(std::string_view path);

}  // namespace switchyard
