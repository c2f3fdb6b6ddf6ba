// SPDX-License-Identifier: Apache-2.0
// Judges computed values against expected ones and reports the largest error of each kind.
#pragma once

#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace switchyard {

// Tolerance for every element of a tensor: |error| <= 2e-4 * max|expected| + 1e-7, which allows for
// float32 sums of a few hundred terms in another order, through a few layers.
class Verdict {
 public:
  // Compares one tensor; results are reported per `kind`.
  void compare(const std::string& kind, const std::string& name, const std::vector<float>& actual,
               const std::vector<float>& expected);
  // Requires |actual - expected| <= bound.
  void compare_score(const std::string& kind, const std::string& name, float actual, float expected,
                     float bound);
  // Records a check without a size of error: of ids, or of a missing tensor.
  void require(bool ok, const std::string& kind, const std::string& name,
               const std::string& what_differs);
  void count_swap() { ++swaps_; }

  // Prints a line per kind: tensors compared, and the largest error, absolute and relative to its
  // bound.
  void print(std::ostream& out) const;
  bool passed() const { return failures_.empty(); }

 private:
  struct Kind {
    std::int64_t compared = 0;
    double largest_error = 0;
    double largest_share = 0;
    std::string worst;
  };
  void note(const std::string& kind, const std::string& name, double error, double bound);

  std::map<std::string, Kind> kinds_;
  std::vector<std::string> failures_;
  std::int64_t swaps_ = 0;
};

}  // namespace switchyard
