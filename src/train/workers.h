// SPDX-License-Identifier: Apache-2.0
// Workers compute an update together. Each runs forward and backward on its part of every batch,
// with its own Context and gradient, then sums all gradients of its share of the parameters and
// updates that share. Workers wait for each other three times per update and sleep meanwhile, so a
// worker slowed down by other programs delays the rest at these points only, not in every
// operation. The cost is one gradient per worker, 4 bytes per parameter.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "src/core/team.h"
#include "src/nn/batch.h"
#include "src/train/optimizer.h"

namespace switchyard {

// Splits a batch sorted by length into parts with about equally many tokens. No part is empty: with
// fewer sentences than workers there are fewer parts.
std::vector<HostBatch> split_batch(HostBatch&& batch, int workers);

// The parameters that one worker updates, and their place in a flat buffer.
struct ParamShare {
  ParamRange params;
  std::int64_t offset = 0, size = 0;  // in elements

  View of(const ParamBuffer& buffer) const { return buffer.flat().slice_cols(offset, size); }
};

class Workers {
 public:
  // Divides the threads of `ctx` among the workers. A single worker uses `ctx` itself, which must
  // outlive this. Error(kUsage) if there are more workers than threads.
  Workers(Context& ctx, const ParamLayout& layout, int count);

  int count() const { return static_cast<int>(grads_.size()); }
  // Worker 0's gradient, into which sum_gradients() adds the others.
  const ParamBuffer& gradient() const { return grads_.front(); }

  // Calls task(worker, its context) for all workers and waits for them. A task may read what others
  // wrote in earlier calls. Any free thread may run any worker; results do not depend on which one
  // does. Throws what Team::run throws.
  void run(const std::function<void(int, Context&)>& task);
  const ParamBuffer& gradient_of(int worker) const {
    return grads_[static_cast<std::size_t>(worker)];
  }
  // Shares are disjoint, cover all parameters and have about the same size.
  const ParamShare& share_of(int worker) const { return shares_[static_cast<std::size_t>(worker)]; }

  // Adds all gradients into gradient(), in worker order, and sets the others to 0.
  void sum_gradients();
  // After sum_gradients(): [count, n], each worker's sums of squares over blocks of its share.
  View squares() const { return squares_; }
  // Sets all gradients to 0.
  void clear_gradients();

 private:
  Context& context_of(int worker);

  Context& ctx_;
  std::vector<std::unique_ptr<Context>> contexts_;  // none for a single worker
  std::vector<ParamBuffer> grads_;
  std::vector<ParamShare> shares_;
  Tensor squares_;
  Team team_;
};

}  // namespace switchyard
