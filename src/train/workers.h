// SPDX-License-Identifier: Apache-2.0
// The workers that make an update together. Each takes some of the sentences of every batch through
// forward and backward, with a Context and a gradient of its own; then each sums, measures and
// updates its share of the parameters. They wait for each other three times an update, asleep: one
// that is held up by other programs holds up the others there, and not in every operation. The
// price is a gradient each, 4 bytes per parameter.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "src/core/team.h"
#include "src/nn/batch.h"
#include "src/train/optimizer.h"

namespace switchyard {

// Deals the sentences of a batch out among `workers`, so that the parts of a batch that is sorted
// by length are alike. Fewer parts if there are fewer sentences; none is empty.
std::vector<HostBatch> split_batch(HostBatch&& batch, int workers);

// The parameters that one worker updates, and where they are in a flat buffer.
struct ParamShare {
  ParamRange params;
  std::int64_t offset = 0, size = 0;  // in elements

  View of(const ParamBuffer& buffer) const { return buffer.flat().slice_cols(offset, size); }
};

// How many workers suit so many threads: the largest number up to 4 that divides them. More would
// each have few sentences of a batch, and a gradient.
int default_workers(int threads);

class Workers {
 public:
  // Shares the threads of `ctx` out. A single worker works in `ctx` itself, which must outlive
  // this. Error(kUsage) if there are more workers than threads.
  Workers(Context& ctx, const ParamLayout& layout, int count);

  int count() const { return static_cast<int>(grads_.size()); }
  // Where all gradients are summed.
  const ParamBuffer& gradient() const { return grads_.front(); }

  // Calls task(worker, its context) for all workers and waits for them. A thread that is free takes
  // over a worker whose own has not started: results do not depend on it.
  // Errors as Team::run.
  void run(const std::function<void(int, Context&)>& task);
  const ParamBuffer& gradient_of(int worker) const {
    return grads_[static_cast<std::size_t>(worker)];
  }
  // Disjoint, together all parameters, of about the same size.
  const ParamShare& share_of(int worker) const { return shares_[static_cast<std::size_t>(worker)]; }

  // Adds the gradients up in gradient(), in the order of the workers, sets the others to 0, and
  // returns the 2-norm of the sum. Not finite if an element is not.
  float sum_gradients();
  // Sets all gradients to 0.
  void clear_gradients();

 private:
  Context& context_of(int worker);

  Context& ctx_;
  std::vector<std::unique_ptr<Context>> contexts_;  // none for a single worker
  std::vector<ParamBuffer> grads_;
  std::vector<ParamShare> shares_;
  Team team_;
};

}  // namespace switchyard
