// SPDX-License-Identifier: Apache-2.0
// Where the time of a training step goes, for benches. For a backend that runs asynchronously (a
// GPU) this is when the host waited, not when the device worked.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>

namespace switchyard {

// In the order of a step. `loss` is the head with the cross-entropy and the head's gradients,
// `update` the optimizer, which also clears gradients and packs weights, and the running average.
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

// Adds to a phase the time since construction or the previous call.
class PhaseClock {
 public:
  void end(Phase phase, PhaseSeconds& seconds) {
    const auto now = std::chrono::steady_clock::now();
    seconds[static_cast<std::size_t>(phase)] += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace switchyard
