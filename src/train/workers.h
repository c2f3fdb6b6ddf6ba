// SPDX-License-Identifier: Apache-2.0
// Workers that compute an update together. Each runs forward and backward on some of the sentences
// of every batch, with a Context and a gradient of its own; then each sums the gradients of its
// share of the parameters and updates it. They wait for each other three times per update, asleep,
// so a worker that other programs hold up delays the others there and not in every operation. The
// price is a gradient per worker, 4 bytes per parameter.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "src/core/team.h"
#include "src/nn/batch.h"
#include "src/train/optimizer.h"

namespace switchyard {

// Deals out the sentences of a batch, sorted by length, so that each worker's part has about as
// many tokens. Fewer parts than workers if there are fewer sentences; none is empty.
std::vector<HostBatch> split_batch(HostBatch&& batch, int workers);

// The parameters that one worker updates, and where they are in a flat buffer.
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
  // The gradient of worker 0, where all gradients are summed.
  const ParamBuffer& gradient() const { return grads_.front(); }

  // Calls task(worker, its context) for all workers and waits for them; each may read what others
  // wrote in an earlier run(). Any free thread may run any worker; results do not depend on which
  // one does. Errors as Team::run.
  void run(const std::function<void(int, Context&)>& task);
  const ParamBuffer& gradient_of(int worker) const {
    return grads_[static_cast<std::size_t>(worker)];
  }
  // The shares are disjoint, cover all parameters and are of about the same size.
  const ParamShare& share_of(int worker) const { return shares_[static_cast<std::size_t>(worker)]; }

  // Adds the gradients up in gradient(), in the order of the workers, and sets the others to 0.
  void sum_gradients();
  // Of that sum: [count, n], the sums of squares of parts of each worker's share.
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
