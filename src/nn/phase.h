// SPDX-License-Identifier: Apache-2.0
// Where time goes, for benchmarks: in a training step, and in translation. If the backend is
// asynchronous (a GPU), it shows when the host waited, not when the device worked.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace switchyard {

// In the order of a step. `loss` covers the head, the cross-entropy and the head's gradients;
// `update` covers the optimizer, which also clears gradients and packs weights, and the moving
// average.
enum class Phase {
  encoder_forward,
  decoder_forward,
  loss,
  decoder_backward,
  encoder_backward,
  norm,
  update,
};
constexpr const char* kPhaseNames[] = {
    "encoder_forward", "decoder_forward", "loss", "decoder_backward", "encoder_backward", "norm",
    "update"};
using PhaseSeconds = std::array<double, std::size(kPhaseNames)>;

// The phases of translation. `encoder` runs once per group of admitted sentences and includes the
// keys and values of cross-attention; the others recur in each step. Each sublayer includes its
// norm and residual sum; `self_attention` also has the embedding, `head` the final norm, and
// `search` the candidates, the transfers to and from the backend and all work of the host.
enum class DecodePhase { encoder, self_attention, cross_attention, feed_forward, head, search };
constexpr const char* kDecodePhaseNames[] = {"encoder",      "self_attention", "cross_attention",
                                             "feed_forward", "head",           "search"};
using DecodeSeconds = std::array<double, std::size(kDecodePhaseNames)>;

// Adds the time since construction or the previous call to a phase.
class PhaseClock {
 public:
  template <class Name, std::size_t kCount>
  void end(Name phase, std::array<double, kCount>& seconds) {
    const auto now = std::chrono::steady_clock::now();
    seconds[static_cast<std::size_t>(phase)] += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

struct DecodeTimes {
  DecodeSeconds seconds{};
  std::int64_t steps = 0;

  DecodeTimes& operator+=(const DecodeTimes& other) {
    for (std::size_t i = 0; i < seconds.size(); ++i) seconds[i] += other.seconds[i];
    steps += other.steps;
    return *this;
  }
};

// Collects the times of one worker between start() and stop(). While it is stopped, as at first,
// end() costs a branch.
class DecodeClock {
 public:
  void start() { clock_.emplace(); }
  void stop() { clock_.reset(); }
  // Adds the time since start() or the previous call to a phase.
  void end(DecodePhase phase) {
    if (clock_) clock_->end(phase, times_.seconds);
  }
  void count_step() {
    if (clock_) ++times_.steps;
  }
  const DecodeTimes& times() const { return times_; }

 private:
  std::optional<PhaseClock> clock_;
  DecodeTimes times_;
};

// Runs a clock until the end of the scope, whose remaining time is `search`. Null: times nothing.
class DecodeClockScope {
 public:
  explicit DecodeClockScope(DecodeClock* clock) : clock_(clock) {
    if (clock_) clock_->start();
  }
  ~DecodeClockScope() {
    if (!clock_) return;
    clock_->end(DecodePhase::search);
    clock_->stop();
  }
  DecodeClockScope(const DecodeClockScope&) = delete;
  DecodeClockScope& operator=(const DecodeClockScope&) = delete;

 private:
  DecodeClock* clock_;
};

}  // namespace switchyard
