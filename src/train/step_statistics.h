// SPDX-License-Identifier: Apache-2.0
// The results of a training step on the backend, downloaded at once: the decision about its update,
// and the loss statistics of each part of its batches.
#pragma once

#include <cstdint>
#include <vector>

#include "src/nn/loss.h"

namespace switchyard {

class StepStatistics {
 public:
  explicit StepStatistics(const ModelConfig& config) : row_size_(loss_statistics_size(config)) {}

  // Makes room for a step with `parts` parts and discards earlier contents.
  void begin(const Context& ctx, std::int64_t parts) {
    parts_ = parts;
    const std::int64_t size = place_of_part(parts);
    if (storage_.view().cols < size) storage_ = Tensor(ctx, 1, size);
  }

  View decision() const { return storage_.view().slice_cols(0, kDecisionSize); }
  // [1, loss_statistics_size()] of one part.
  View part(std::int64_t i) const {
    return storage_.view().slice_cols(place_of_part(i), row_size_);
  }
  // [parts, 1]: the loss sums, the first element of each part.
  View losses() const {
    View v = part(0).slice_cols(0, 1);
    v.rows = v.row_capacity = parts_;
    v.row_stride = row_size_;
    return v;
  }

  // Downloads everything, valid until the next call: the decision is at 0, part i at
  // place_of_part(i).
  const std::vector<float>& read(Context& ctx) {
    host_.resize(static_cast<std::size_t>(place_of_part(parts_)));
    const auto size = std::ssize(host_);
    download(ctx, storage_.view().slice_cols(0, size), host_.data(), size);
    return host_;
  }
  std::int64_t place_of_part(std::int64_t i) const { return kDecisionSize + i * row_size_; }

 private:
  std::int64_t row_size_, parts_ = 0;
  Tensor storage_;
  std::vector<float> host_;
};

}  // namespace switchyard
