// SPDX-License-Identifier: Apache-2.0
// Param: one named parameter. Its value is in a ParamBuffer; gradients and moments are in buffers
// of the same layout. Each layer lists its parameters once, in each_param(f): counting,
// initializing, loading, saving and updating all walk that list.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/backend/backend.h"

namespace switchyard {

// How a parameter of a new model is initialized. `std` is the paper's setting (arXiv 2101.03961,
// 2.4: truncated normal, sqrt(0.1 / fan_in), for matmul weights; a plain normal for parameters it
// does not mention), `hf_std` is Hugging Face's (_init_weights of modeling_switch_transformers and
// modeling_t5: plain normal). A constant has std 0; Hugging Face multiplies it by
// initializer_factor.
struct Init {
  float constant = 0;
  float std = 0;
  bool truncated = false;
  float hf_std = 0;
  bool embedding = false;  // std is in units of Initialisation::embedding_std
};

struct Param {
  // As in Hugging Face's Switch checkpoints: "encoder.block.0.layer.1.mlp.wi.weight".
  std::string name;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  bool vector = false;  // one-dimensional on disk: rows is 1
  bool lookup = false;  // rows are looked up; never the weight of a matmul
  Init init;
  std::int64_t index = -1;  // position in the model's list
  Weight weight;

  std::int64_t size() const { return rows * cols; }
  bool in_matmuls() const { return !vector && !lookup; }
};

// A tensor that an optimizer or a moving average stores for a parameter.
struct StateTensor {
  std::string name;  // "m", "v"
  const Param* param = nullptr;
  View values;  // of the parameter's shape, or a vector [1, n]
};

// The position of each parameter in a flat buffer: in list order, each aligned to 64 bytes.
struct ParamLayout {
  std::vector<std::int64_t> offset;  // by Param::index, in elements
  std::int64_t total = 0;            // in elements, including gaps, which are always zero
};

// A flat f32 buffer with room for every parameter: values, gradients or moments.
class ParamBuffer {
 public:
  ParamBuffer(const Context& ctx, ParamLayout layout)
      : layout_(std::move(layout)), storage_(ctx, 1, layout_.total) {}

  // In elements.
  std::int64_t offset(const Param& param) const {
    return layout_.offset[static_cast<std::size_t>(param.index)];
  }
  View operator[](const Param& param) const {
    return storage_.view().matrix(offset(param), param.rows, param.cols);
  }
  View flat() const { return storage_.view(); }  // [1, total]
  const ParamLayout& layout() const { return layout_; }

 private:
  ParamLayout layout_;
  Tensor storage_;
};

}  // namespace switchyard
