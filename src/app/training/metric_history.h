// SPDX-License-Identifier: Apache-2.0
// Which of two validations is better by a metric, and how a metric has developed over a run.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace switchyard {

// A metric's value and the cross-entropy of the same validation.
struct MetricValue {
  double value = 0;
  double ce_mean_words = std::numeric_limits<double>::infinity();  // infinite: not known
  // False if the metric cannot tell good from bad on this validation set.
  bool is_meaningful = true;
};

// True if `metric` ("bleu", "chrf" or "ce-mean-words") cannot tell a from b, so that ce-mean-words
// decides.
bool ce_decides(const std::string& metric, const MetricValue& a, const MetricValue& b);

// True if a is better than b. NaN is never better.
bool better(const std::string& metric, const MetricValue& a, const MetricValue& b);

struct MetricHistory {
  MetricValue best;
  std::int64_t best_update = -1;  // -1: none yet
  std::int64_t stalled = 0;       // validations since then

  // Returns true if `now` is better than the best so far. Never if it is not finite.
  bool improved_by(const std::string& metric, const MetricValue& now) const;
  // The log's verdict on `now` before it is recorded, in Marian's words: "new best", or "stalled 2
  // times (last best: 21.43)"; plus both values of ce-mean-words if it decided.
  std::string judgement(const std::string& metric, const MetricValue& now) const;
  // Records the validation after `update` updates. Returns true if it is the best so far.
  bool record(const std::string& metric, const MetricValue& now, std::int64_t update);
};

// The value with the number of digits that the log shows for this metric.
std::string metric_text(const std::string& metric, double value);

}  // namespace switchyard
