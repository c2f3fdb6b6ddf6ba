// SPDX-License-Identifier: Apache-2.0
// Whether a training run fits into memory, checked before its first update: a process that runs out
// of memory is killed without a message.
#pragma once

#include <cstdint>
#include <string>

#include "src/app/training/options.h"
#include "src/text/batcher.h"
#include "src/train/trainer.h"

namespace switchyard {

struct TrainingMemory {
  std::int64_t parameters = 0;  // values, gradients, moving average
  std::int64_t optimizer = 0;   // its state
  std::int64_t batch = 0;       // forward and backward of the largest batch
  std::int64_t available = 0;   // before any of it was allocated
  std::int64_t needed() const { return parameters + optimizer + batch; }
};

// The memory of a model's parameters and of the optimizer.
TrainingMemory parameter_memory(const Model& model, const TrainingOptions& options);

// Bytes that forward and backward of the first epoch's largest batch need, extrapolated from an
// eighth of its pairs: memory is proportional to tokens. Leaves the trainer unchanged.
std::int64_t largest_batch_bytes(Trainer& trainer, const PairSource& source,
                                 const BatchOptions& options);

// About the largest BatchOptions::mini_batch_words with which forward and backward of every batch
// of the first epoch fit into `workspace` bytes. Error(kUsage) if a single pair does not fit.
std::int64_t fit_batch_words(Trainer& trainer, const PairSource& source, BatchOptions options,
                             std::int64_t workspace);

// "388 MiB needed (36 MiB parameters, 35 MiB optimizer, 317 MiB per batch), 20.3 GiB available".
std::string memory_text(const TrainingMemory& memory);

// Error(kRuntime) with the bytes needed and available if the run does not fit.
void check_memory(const TrainingMemory& memory);

}  // namespace switchyard
