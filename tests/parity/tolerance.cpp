// SPDX-License-Identifier: Apache-2.0
#include "tests/parity/tolerance.h"

#include <algorithm>
#include <cmath>
#include <iomanip>

namespace switchyard {

void Verdict::note(const std::string& kind, const std::string& name, double error, double bound) {
  Kind& k = kinds_[kind];
  ++k.compared;
  const double share = std::isfinite(error) ? error / bound : HUGE_VAL;
  k.largest_error = std::isfinite(error) ? std::max(k.largest_error, error) : HUGE_VAL;
  if (share >= k.largest_share) {
    k.largest_share = share;
    k.worst = name;
  }
  if (!(share <= 1))
    failures_.push_back(kind + " " + name + ": error " + std::to_string(error) + ", allowed " +
                        std::to_string(bound));
}

void Verdict::compare(const std::string& kind, const std::string& name,
                      const std::vector<float>& actual, const std::vector<float>& expected) {
  if (actual.size() != expected.size()) {
    require(false, kind, name,
            std::to_string(actual.size()) + " values, expected " + std::to_string(expected.size()));
    return;
  }
  double largest = 0, error = 0;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    largest = std::max(largest, std::abs(double{expected[i]}));
    const double e = std::abs(double{actual[i]} - double{expected[i]});
    error = std::isfinite(e) ? std::max(error, e) : HUGE_VAL;
  }
  note(kind, name, error, 2e-4 * largest + 1e-7);
}

void Verdict::compare_score(const std::string& kind, const std::string& name, float actual,
                            float expected, float bound) {
  note(kind, name, std::abs(double{actual} - double{expected}), double{bound});
}

void Verdict::require(bool ok, const std::string& kind, const std::string& name,
                      const std::string& what_differs) {
  ++kinds_[kind].compared;
  if (!ok) failures_.push_back(kind + " " + name + ": " + what_differs);
}

void Verdict::print(std::ostream& out) const {
  for (const auto& [name, k] : kinds_) {
    out << "  " << std::left << std::setw(24) << name << std::right << std::setw(4) << k.compared
        << " compared";
    if (k.largest_share > 0)
      out << ", largest error " << std::scientific << std::setprecision(1) << k.largest_error
          << std::defaultfloat << std::setprecision(3) << " (" << 100 * k.largest_share
          << " % of what is allowed, " << k.worst << ")";
    out << "\n";
  }
  if (swaps_ > 0) out << "  beams of equal score swapped: " << swaps_ << "\n";
  for (const std::string& failure : failures_) out << "  FAILED " << failure << "\n";
}

}  // namespace switchyard
