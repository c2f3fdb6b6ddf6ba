// SPDX-License-Identifier: Apache-2.0
// Whether a training run fits into memory, asked before its first update: a machine that runs out
// in the middle of the night says nothing, it ends the program.
#pragma once

#include <cstdint>
#include <string>

#include "src/app/training/options.h"
#include "src/text/batcher.h"
#include "src/train/trainer.h"

namespace switchyard {

struct TrainingMemory {
  std::int64_t parameters = 0;  // values, gradients, the running average
  std::int64_t optimizer = 0;   // what it remembers from update to update
  std::int64_t batch = 0;       // forward and backward of the largest batch
  std::int64_t available = 0;   // before any of it was taken
  std::int64_t needed() const { return parameters + optimizer + batch; }
};

// What the parameters of a model take, and the optimizer.
TrainingMemory parameter_memory(const Model& model, const TrainingOptions& options);

// Bytes of forward and backward of the largest batch of the first epoch: an eighth of it is run,
// for memory grows in proportion to the sentences. Clears no state but the gradients.
std::int64_t largest_batch_bytes(Trainer& trainer, const PairSource& source,
                                 const BatchOptions& options);

// The largest BatchOptions::mini_batch_words with which forward and backward of every batch of the
// first epoch fit into `workspace` bytes. Error(kUsage) where those of a single pair do not.
std::int64_t fit_batch_words(Trainer& trainer, const PairSource& source, BatchOptions options,
                             std::int64_t workspace);

// "388 MiB needed (36 MiB parameters, 35 MiB optimizer, 317 MiB a batch), 20.3 GiB available".
std::string memory_text(const TrainingMemory& memory);

// Error(kRuntime) with the bytes needed and available where they do not fit.
void check_memory(const TrainingMemory& memory);

}  // namespace switchyard
