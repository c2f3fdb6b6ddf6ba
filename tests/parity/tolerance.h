// SPDX-License-Identifier: Apache-2.0
// The verdict on computed against expected values, with the largest error of each kind.
#pragma once

#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace switchyard {

// |error| <= 2e-4 * max|expected| + 1e-7 for every element of a tensor: float32 sums of a few
// hundred terms in another order, through a few layers.
class Verdict {
 public:
  // Compares one tensor; `kind` groups what is reported together.
  void compare(const std::string& kind, const std::string& name, const std::vector<float>& actual,
               const std::vector<float>& expected);
  // |actual - expected| <= bound.
  void compare_score(const std::string& kind, const std::string& name, float actual, float expected,
                     float bound);
  // A comparison without a size: ids, a missing tensor.
  void require(bool ok, const std::string& kind, const std::string& name,
               const std::string& what_differs);
  void count_swap() { ++swaps_; }

  // A line for each kind: tensors compared, largest error as a number and as a share of its bound.
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
