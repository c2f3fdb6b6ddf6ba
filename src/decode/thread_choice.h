// SPDX-License-Identifier: Apache-2.0
// Chooses by measurement how many threads a step of decoding uses. More threads shorten the step of
// a single sentence, unless another program keeps one of them waiting: every operation then waits
// for it, and a step takes many times as long as with one thread.
#pragma once

#include <cstdint>

namespace switchyard {

// Uses both numbers in turn for some steps, then the faster one until the next trial.
class ThreadChoice {
 public:
  ThreadChoice(int few, int many) : few_(few), many_(many) {}

  int threads() const { return uses_many_ ? many_ : few_; }  // for the next step
  // The duration of a step with threads(). All steps should have about the same amount of work.
  void step_took(double seconds);

 private:
  void try_step(double seconds);
  void end_trial(bool many_won);

  int few_, many_;
  bool uses_many_ = false;
  bool many_won_ = false;   // the last trial
  std::int64_t left_ = 0;   // steps until the next trial; 0 in one
  std::int64_t pause_ = 0;  // steps between the last trial and the next
  std::int64_t slow_ = 0;   // steps in a row that were far too slow
  // Of the current trial or, between two, of the last one.
  std::int64_t pairs_ = 0;
  double few_seconds_ = 0, many_seconds_ = 0;
};

}  // namespace switchyard
