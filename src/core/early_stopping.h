// SPDX-License-Identifier: Apache-2.0
// When a beam search stops looking for better hypotheses: generate()'s early_stopping.
#pragma once

namespace switchyard {

enum class EarlyStopping {
  kFalse,  // once the best running hypothesis would not be among the best if it ended now
  kTrue,   // once num_beams hypotheses have finished
  // Like kFalse, but compares the best score that it could reach: with a positive length penalty,
  // its sum of log-probabilities at the maximum length.
  kNever
};

}  // namespace switchyard
