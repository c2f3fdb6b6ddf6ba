// SPDX-License-Identifier: Apache-2.0
// The data of a training run: texts are read, split and encoded once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/app/training/options.h"
#include "src/text/corpus.h"
#include "src/text/tokenizer.h"

namespace switchyard {

// Moves a tenth of the distinct pairs of `train` (1 to 1,000, drawn by the seed) to the text it
// returns, and removes their copies from `train`. Both texts keep their order. Error(kData) if
// there are fewer than 10 pairs, or if all are equal.
ParallelText hold_out(ParallelText& train, std::uint64_t seed);

// Reads --train-sets and --valid-sets. Without the latter, holds out some of the training pairs and
// logs their number and that of the copies removed. Error(kData) naming the files.
struct TrainingText {
  ParallelText train, valid;
};
TrainingText read_training_text(const TrainingOptions& options);

// Loads the vocabulary of --pretrained-model or --vocab; without them, logs and trains a
// SentencePiece model of at most vocab_size pieces on both sides of `text`.
Tokenizer make_vocabulary(const ParallelText& text, const TrainingOptions& options);

// The pairs as ids, without empty ones. Validation pairs that are too long are cropped.
struct TrainingData {
  Corpus train, valid;
  std::vector<std::string> valid_source, valid_reference;  // lines, for translations
};
TrainingData encode_training_data(const Tokenizer& tokenizer, TrainingText text,
                                  const TrainingOptions& options, int threads);

}  // namespace switchyard
