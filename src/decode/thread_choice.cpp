// SPDX-License-Identifier: Apache-2.0
#include "src/decode/thread_choice.h"

#include <algorithm>

namespace switchyard {

namespace {

constexpr std::int64_t kTrialPairs = 8;
// On a busy machine, trials are expensive, so they become rarer while their result is the same.
constexpr std::int64_t kFirstPause = 256, kLongestPause = 65536;
constexpr double kFarTooSlow = 4;
constexpr std::int64_t kMostSlowSteps = 2;

}  // namespace

void ThreadChoice::step_took(double seconds) {
  if (left_ == 0) return try_step(seconds);
  const double usual = few_seconds_ / static_cast<double>(pairs_);
  slow_ = uses_many_ && seconds > kFarTooSlow * usual ? slow_ + 1 : 0;
  if (slow_ == kMostSlowSteps) return end_trial(false);
  if (--left_ > 0) return;
  uses_many_ = false;
  pairs_ = 0;
  few_seconds_ = many_seconds_ = 0;
}

void ThreadChoice::try_step(double seconds) {
  (uses_many_ ? many_seconds_ : few_seconds_) += seconds;
  uses_many_ = !uses_many_;
  if (uses_many_) return;
  ++pairs_;
  if (pairs_ == kTrialPairs || many_seconds_ > kFarTooSlow * few_seconds_)
    end_trial(many_seconds_ < few_seconds_);
}

void ThreadChoice::end_trial(bool many_won) {
  pause_ = many_won == many_won_ ? std::clamp(2 * pause_, kFirstPause, kLongestPause) : kFirstPause;
  many_won_ = uses_many_ = many_won;
  left_ = pause_;
  slow_ = 0;
}

}  // namespace switchyard
