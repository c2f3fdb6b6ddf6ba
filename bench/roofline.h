// SPDX-License-Identifier: Apache-2.0
// The limits that kernels are judged by: what one thread reads, writes and multiplies at most, in
// plain loops, measured on the same instruction set.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "src/core/context.h"

namespace switchyard::bench {

// f(name) with every instruction set that the kernels were compiled for, that this machine has and
// that ONEDNN_MAX_CPU_ISA allows; the best first.
void each_target(const std::function<void(const std::string& target)>& f);

// Bytes that a kernel only reads, only writes, and reads and writes back in the same place.
struct Traffic {
  double read = 0, write = 0, update = 0;
  double resident() const { return read + write + update; }
  double moved() const { return read + write + 2 * update; }
};

// GB/s over a working set of one size, in memory from the same place as the kernels' (the size of
// its pages matters); copy and update count what they read and what they write.
struct MemoryRates {
  double read = 0, write = 0, copy = 0, update = 0;
};
// Takes four times `seconds`.
MemoryRates memory_rates(Context& ctx, std::int64_t bytes, double seconds);

// The least time for this traffic: as much of it as can be as a copy, then the rest.
double least_seconds(const Traffic& bytes, const MemoryRates& rates);

// GFLOP/s of multiply-adds on registers, f32.
double multiply_add_gflops(double seconds);

}  // namespace switchyard::bench
