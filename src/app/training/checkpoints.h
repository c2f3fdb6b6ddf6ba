// SPDX-License-Identifier: Apache-2.0
// The checkpoints of a training run and what follows from them: the links `last` and `best`, the
// model in the training directory itself, and which checkpoints are kept.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "src/app/training/directory.h"
#include "src/app/training/metrics_file.h"
#include "src/app/training/setup.h"
#include "src/app/training/state.h"
#include "src/core/error.h"
#include "src/io/checkpoint.h"

namespace switchyard {

class Checkpoints {
 public:
  // All must outlive this. `averaged` is bound to the trainer's average, which is what is saved.
  // The first of --valid-metrics decides which checkpoint is the best.
  Checkpoints(const TrainingOptions& options, const TrainingDirectory& directory,
              TrainingParts& parts, const Model& averaged);

  // Resumes from the newest undamaged checkpoint: fills the trainer and `state`, whose hashes must
  // be those of the run's inputs. Throws what newest_checkpoint, check_same_inputs and
  // load_checkpoint throw.
  void load(TrainingState& state);

  // Writes a checkpoint unless the newest one already has this state. A full disk or a missing
  // directory must not lose the run: save() then warns and returns false, and the next one tries
  // again. Error(kDiverged) if a value is not finite.
  bool save(TrainingState& state, MetricsFile& metrics);

  // The reason why save() returned false: "no checkpoint could be saved: No space left on device".
  std::string unsaved() const;

  // Returns true if any write has failed, even if a later one succeeded.
  bool failed() const { return last_failure_.has_value(); }

 private:
  std::vector<StateTensor> trainer_state() const;
  void write(TrainingState& state, MetricsFile& metrics);
  void settle(const TrainingState& state);
  bool attempt(const char* failure, const std::function<void()>& f);

  const TrainingDirectory& directory_;
  Context& ctx_;
  Trainer& trainer_;
  const Tokenizer& tokenizer_;
  const Model& model_;
  const std::string best_metric_;
  const std::int64_t keep_last_;
  // The update of the newest checkpoint, and of the last validation it records.
  std::int64_t saved_update_ = -1, saved_validation_ = -1;
  std::optional<Error> last_failure_;  // the latest failure, reported as a warning
};

}  // namespace switchyard
