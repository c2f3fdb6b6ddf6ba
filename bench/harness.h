// SPDX-License-Identifier: Apache-2.0
// Shared by the benches: a clock, quantiles, the process's peak memory, and printing of results.
#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
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

// The q-quantile of one or more samples; 0.5 is the median.
double quantile(std::vector<double> samples, double q);

// Returns the median time of a call of f in seconds: calls it once to warm up, then at least once
// and for about `seconds`. Short calls are timed in groups.
template <class F>
double median_seconds(double seconds, F&& f) {
  constexpr double kShortest = 20e-6;  // long enough to hide the cost of reading the clock
  const Stopwatch warm_up;
  f();
  const double once = warm_up.seconds();
  const auto calls = once < kShortest ? static_cast<int>(kShortest / (once + 1e-9)) + 1 : 1;
  std::vector<double> samples;
  for (const Stopwatch all; samples.empty() || all.seconds() < seconds;) {
    const Stopwatch watch;
    for (int i = 0; i < calls; ++i) f();
    samples.push_back(watch.seconds() / calls);
  }
  return quantile(std::move(samples), 0.5);
}

// The process's peak resident memory.
std::int64_t peak_bytes();

// Prints "name: value" lines, or one JSON object as the last line of stdout.
void print_result(const nlohmann::ordered_json& result, bool json);

// The results of a bench with many cases. Prints each as a line when it is added, below a header
// with the names of its values; or, as JSON, one object at the end: `about` with the cases in
// "rows".
class Table {
 public:
  // Names in the first column have at most `name_width` characters.
  Table(nlohmann::ordered_json about, bool json, std::size_t name_width = 12);
  void add(const nlohmann::ordered_json& row);
  void finish();

 private:
  nlohmann::ordered_json result_;
  bool json_;
  std::size_t name_width_;
};

}  // namespace switchyard::bench
