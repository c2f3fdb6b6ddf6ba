// SPDX-License-Identifier: Apache-2.0
// What the benches share: a clock, the median of samples, the process's peak memory.
#pragma once

#include <sys/resource.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstdint>
#include <vector>

namespace switchyard::bench {

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

// The q-quantile (0.5: the median) of samples, at least one.
inline double quantile(std::vector<double> samples, double q) {
  assert(!samples.empty());
  std::sort(samples.begin(), samples.end());
  return samples[static_cast<std::size_t>(q * static_cast<double>(samples.size() - 1) + 0.5)];
}

// The most memory the process ever had resident.
inline std::int64_t peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;  // Linux counts in KiB
}

}  // namespace switchyard::bench
