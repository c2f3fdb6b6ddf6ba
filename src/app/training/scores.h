// SPDX-License-Identifier: Apache-2.0
// The validations of a run: logged in Marian's format, recorded in metrics.jsonl, and compared with
// the best so far.
#pragma once

#include <string>

#include "src/app/training/metrics_file.h"
#include "src/app/training/options.h"
#include "src/app/training/setup.h"
#include "src/app/training/state.h"
#include "src/app/training/validation.h"

namespace switchyard {

class Scores {
 public:
  // All must outlive this. `averaged` is bound to the values that are validated.
  Scores(const TrainingOptions& options, const TrainingParts& parts, const Model& averaged);

  // Warns if BLEU is one of the metrics and even perfect translations would score 0.
  void warn_if_bleu_is_0() const;

  // Validates and updates `state`. Returns true if the model is the best so far by the first of
  // --valid-metrics. Error(kDiverged) if the model has values that are not finite.
  bool validate(TrainingState& state, MetricsFile& metrics);

  // The metric that decides which model is the best; ce-mean-words if the first of --valid-metrics
  // cannot tell good from bad.
  std::string deciding_metric() const;

 private:
  ValidationResult run_validator(const TrainingState& state);
  bool note_metric(const std::string& name, const ValidationResult& result,
                   TrainingState& state) const;
  void log_samples(const ValidationResult& result) const;

  const TrainingOptions& options_;
  const TrainingData& data_;
  Validator validator_;
};

}  // namespace switchyard
