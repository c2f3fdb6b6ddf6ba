// SPDX-License-Identifier: Apache-2.0
// The checkpoints of a training run, and what hangs on them: the links `last` and `best`, the model
// in the folder itself, which checkpoints are kept.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "src/app/training/directory.h"
#include "src/app/training/metrics_file.h"
#include "src/app/training/state.h"
#include "src/core/error.h"
#include "src/io/checkpoint.h"
#include "src/text/tokenizer.h"
#include "src/train/trainer.h"

namespace switchyard {

class Checkpoints {
 public:
  // All must outlive this. `model` is bound to the trainer's average, which is saved as the model;
  // `best_metric` is the one that decides which checkpoint is the best.
  Checkpoints(Context& ctx, const TrainingDirectory& directory, const Model& model,
              Trainer& trainer, const Tokenizer& tokenizer, std::string best_metric,
              std::int64_t keep_last);

  // Goes on from the newest whole checkpoint: fills the trainer and `state`, whose hashes say what
  // the run is made from now. Error(kData) where there is none, or it is of another vocabulary or
  // other text.
  void load(TrainingState& state);

  // Writes a checkpoint unless the newest one is of this very state. A full disk or a folder that
  // is gone must not lose the run: it is warned of, false is returned and the next save tries
  // again. Error(kDiverged) where a number is not finite.
  bool save(TrainingState& state, MetricsFile& metrics);

  // After a save() that failed: "no checkpoint could be saved: No space left on device".
  std::string unsaved() const;

  // Whether something could not be written, now or earlier.
  bool failed() const { return last_failure_.has_value(); }

 private:
  std::vector<StateTensor> trainer_state() const;
  void write(TrainingState& state, MetricsFile& metrics);
  void settle(const TrainingState& state);
  bool attempt(const char* failure, const std::function<void()>& f);

  Context& ctx_;
  const TrainingDirectory& directory_;
  const Model& model_;
  Trainer& trainer_;
  const Tokenizer& tokenizer_;
  const std::string best_metric_;
  const std::int64_t keep_last_;
  // Of the newest checkpoint: its update, and the validation it knows of.
  std::int64_t saved_update_ = -1, saved_validation_ = -1;
  std::optional<Error> last_failure_;  // the newest error that was only warned of
};

}  // namespace switchyard
