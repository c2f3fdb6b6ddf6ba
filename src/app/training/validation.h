// SPDX-License-Identifier: Apache-2.0
// Validation: the loss of the validation pairs, and BLEU and chrF of their translations.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "src/app/training/data.h"
#include "src/core/host_batch.h"
#include "src/core/team.h"
#include "src/decode/translator.h"
#include "src/nn/model.h"
#include "src/text/bleu.h"

namespace switchyard {

struct ValidationResult {
  double ce_mean_words = 0;  // mean of -log p over target tokens, no label smoothing
  double bleu = 0, chrf = 0;
  // Of all validation pairs; empty if no metric needs them.
  std::vector<std::string> translations;
  double seconds = 0;

  double metric(const std::string& name) const;  // "bleu", "chrf" or "ce-mean-words"
};

class Validator {
 public:
  // All must outlive this. `model` is bound to the values that are validated.
  Validator(const Model& model, const Tokenizer& tokenizer, const TrainingData& data,
            const TrainingOptions& options, int threads);

  // Computes in float32, as translation does, whatever training computes in. Bit-identical for any
  // number of threads.
  ValidationResult run();

  // False for BLEU if even a perfect translation scores 0 because no reference is as long as BLEU's
  // longest n-gram. Any score is then meaningless.
  bool is_meaningful(const std::string& metric) const;
  // Returns true if the references score above 0 as their own translations with this tokenizer.
  bool bleu_can_score(const std::string& tokenize) const;

  // The signature of both scores, for the log.
  std::string signature() const;

 private:
  double loss();

  const Model& model_;
  const Tokenizer& tokenizer_;
  const TrainingData& data_;
  CapacityOptions capacity_;
  BleuOptions bleu_;
  bool bleu_can_score_ = true;
  bool translate_;                                  // a metric needs translations
  std::vector<Ids> sources_;                        // of data_.valid_source, cropped
  std::vector<HostBatch> batches_;                  // of data_.valid
  std::vector<std::unique_ptr<Context>> contexts_;  // one per thread
  Team team_;
  Translator translator_;
};

}  // namespace switchyard
