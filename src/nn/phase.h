// SPDX-License-Identifier: Apache-2.0
// A breakdown of a training step's time, for benchmarks. If the backend is asynchronous (a GPU), it
// shows when the host waited, not when the device worked.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>

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

// Adds the time since construction or the previous call to a phase.
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
