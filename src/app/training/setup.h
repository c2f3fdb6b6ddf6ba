// SPDX-License-Identifier: Apache-2.0
// The parts of a training run, from text to trainer: shared by the run and the dry run.
#pragma once

#include <functional>
#include <memory>

#include "src/app/training/data.h"
#include "src/app/training/memory.h"
#include "src/app/training/options.h"

namespace switchyard {

// Loads or trains the vocabulary for a training text.
using MakeTokenizer = std::function<Tokenizer(const ParallelText&)>;

struct TrainingParts {
  // Reads the text, makes the tokenizer, encodes the text, and makes a model without values. Throws
  // what read_training_text, encode_training_data and check_memory throw; the latter does not know
  // the memory of a batch yet.
  TrainingParts(const TrainingOptions& options, const MakeTokenizer& make_tokenizer);

  // Sets the initial values of a new run, those of --pretrained-model if it is given; a resumed run
  // loads its checkpoint's.
  void initialise(const TrainingOptions& options);

  // Plans batches of at most `words` tokens (batch_words() of resume.h); 0 with --mini-batch-fit:
  // as many as fit. Throws what check_memory throws, now that the memory of a batch is known.
  void plan_batches(const TrainingOptions& options, std::int64_t words);

  // Trainer::step; if training diverges, the error also says which options may help.
  StepResult step(std::vector<HostBatch> taken);

  int threads;
  std::unique_ptr<Context> ctx;
  Tokenizer tokenizer;
  TrainingData text;  // as ids
  Model model;
  TrainingMemory memory;
  ParamBuffer params;
  Trainer trainer;
  BatchOptions batches;  // after plan_batches()

 private:
  TrainingParts(const TrainingOptions& options, const MakeTokenizer& make_tokenizer,
                TrainingText lines);
};
}  // namespace switchyard
