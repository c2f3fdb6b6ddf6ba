// SPDX-License-Identifier: Apache-2.0
// What the benches share: a clock, the quantiles of samples, the process's peak memory, and how a
// result is printed.
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

// The q-quantile (0.5: the median) of samples, at least one.
double quantile(std::vector<double> samples, double q);

// The median time of a call of f, in seconds: one call to warm up, then calls for about `seconds`,
// at least one. Short calls are timed many at a time.
template <class F>
double median_seconds(double seconds, F&& f) {
  constexpr double kShortest = 20e-6;  // beside which the clock's own time is nothing
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

// The most memory the process ever had resident.
std::int64_t peak_bytes();

// "name: value" lines, or as the last line of stdout one JSON object.
void print_result(const nlohmann::ordered_json& result, bool json);

// A bench of many cases: prints each as a line when it is added, under the names of its values; or
// at the end all as one JSON object, `about` with the cases in "rows".
class Table {
 public:
  // Names in the first column are up to `name_width` long.
  Table(nlohmann::ordered_json about, bool json, std::size_t name_width = 12);
  void add(const nlohmann::ordered_json& row);
  void finish();

 private:
  nlohmann::ordered_json result_;
  bool json_;
  std::size_t name_width_;
};

}  // namespace switchyard::bench
