// SPDX-License-Identifier: Apache-2.0
// What a training run is made of, from text to trainer. The run itself and its dry run share it.
#pragma once

#include <functional>
#include <memory>

#include "src/app/training/data.h"
#include "src/app/training/memory.h"
#include "src/app/training/options.h"

namespace switchyard {

// Gives the vocabulary for a training text: trains it, or loads it.
using MakeTokenizer = std::function<Tokenizer(const ParallelText&)>;

struct TrainingParts {
  // Reads the text, makes the tokenizer, encodes, and makes a model without values. Error as
  // read_training_text, encode_training_data and, of parameters and optimizer, check_memory.
  TrainingParts(const TrainingOptions& options, const MakeTokenizer& make_tokenizer);

  // The values that a new run begins with; one that goes on has its checkpoint's.
  void initialise(const TrainingOptions& options);

  // Decides how the text is cut into batches, of at most `words` (batch_words() of resume.h); 0
  // with
  // --mini-batch-fit: as many as fit. Error as check_memory, now that a batch's memory is known.
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
