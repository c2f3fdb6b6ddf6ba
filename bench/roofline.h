// SPDX-License-Identifier: Apache-2.0
// The limits to measure against. For kernels: how fast one thread reads, writes and multiplies in
// plain loops, on the same instruction set. For translation: how fast all threads read.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "src/core/context.h"

namespace switchyard::bench {

// Calls f(name) for every instruction set that the kernels are compiled for, that this machine has
// and that ONEDNN_MAX_CPU_ISA allows, best first.
void each_target(const std::function<void(const std::string& target)>& f);

// Bytes that a kernel reads, writes, or updates in place.
struct Traffic {
  double read = 0, write = 0, update = 0;
  double resident() const { return read + write + update; }
  double moved() const { return read + write + 2 * update; }
};

// GB/s over a working set of one size, allocated like the kernels' (the page size matters); copy
// and update count both reads and writes.
struct MemoryRates {
  double read = 0, write = 0, copy = 0, update = 0;
};
// Takes four times `seconds`.
MemoryRates memory_rates(Context& ctx, std::int64_t bytes, double seconds);

// Workers with `threads` threads each that read for `seconds`.
struct Readers {
  int workers = 1, threads = 1;
  double seconds = 0;
};
// Returns the total GB/s of all readers from one array of `bytes` bytes, allocated like weights.
// Each worker reads the whole array repeatedly, split among its threads, as workers read the
// weights they share.
double shared_read_rate(Context& ctx, std::int64_t bytes, const Readers& readers);

// Returns the minimum time for this traffic: as much as possible is copied, the rest is read or
// written on its own.
double least_seconds(const Traffic& bytes, const MemoryRates& rates);

// f32 GFLOP/s of multiply-adds on registers.
double multiply_add_gflops(double seconds);

}  // namespace switchyard::bench
