// SPDX-License-Identifier: Apache-2.0
// The data of a training run: texts read, held out, and turned into ids once.
#pragma once

#include <string>
#include <vector>

#include "src/app/training_options.h"
#include "src/nn/batch.h"
#include "src/text/batcher.h"
#include "src/text/corpus.h"
#include "src/text/tokenizer.h"

namespace switchyard {

// Reads --train-sets and --valid-sets. Without the latter a tenth of the pairs, at most 1,000,
// evenly spaced, are held out from the training text, and a log line says so. Error(kData) naming
// the files.
struct TrainingText {
  ParallelText train, valid;
};
TrainingText read_training_text(const TrainingOptions& options);

// The vocabulary of --vocab; without it a SentencePiece model of vocab_size pieces is trained on
// both sides of `text`, and a log line says so.
Tokenizer make_vocabulary(const ParallelText& text, const TrainingOptions& options);

// What the batcher made, as what the model takes.
HostBatch host_batch(PairBatch pairs);

// Ids of the training pairs, and of the validation pairs: cropped where long, without empty ones.
struct TrainingData {
  Corpus train, valid;
  std::vector<std::string> valid_source, valid_reference;  // lines, for translations
};
TrainingData encode_training_data(const Tokenizer& tokenizer, TrainingText text,
                                  const TrainingOptions& options, int threads);

}  // namespace switchyard
