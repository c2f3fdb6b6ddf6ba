// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/metric_history.h"

#include <cmath>
#include <cstdio>

namespace switchyard {

namespace {

constexpr const char* kCrossEntropy = "ce-mean-words";

}  // namespace

bool ce_decides(const std::string& metric, const MetricValue& a, const MetricValue& b) {
  return metric != kCrossEntropy && (a.value == b.value || !a.is_meaningful || !b.is_meaningful);
}

bool better(const std::string& metric, const MetricValue& a, const MetricValue& b) {
  if (metric == kCrossEntropy) return a.value < b.value;
  if (ce_decides(metric, a, b)) return a.ce_mean_words < b.ce_mean_words;
  return a.value > b.value;
}

bool MetricHistory::improved_by(const std::string& metric, const MetricValue& now) const {
  return std::isfinite(now.value) && (best_update < 0 || better(metric, now, best));
}

std::string MetricHistory::judgement(const std::string& metric, const MetricValue& now) const {
  std::string by_ce;
  if (best_update >= 0 && ce_decides(metric, now, best))
    by_ce = "by ce-mean-words: " + metric_text(kCrossEntropy, now.ce_mean_words) + " against " +
            metric_text(kCrossEntropy, best.ce_mean_words);
  if (improved_by(metric, now)) return by_ce.empty() ? "new best" : "new best (" + by_ce + ")";
  return "stalled " + std::to_string(stalled + 1) +
         " times (last best: " + metric_text(metric, best.value) +
         (by_ce.empty() ? "" : ", " + by_ce) + ")";
}

bool MetricHistory::record(const std::string& metric, const MetricValue& now, std::int64_t update) {
  const bool is_best = improved_by(metric, now);
  if (is_best)
    *this = {now, update, 0};
  else
    ++stalled;
  return is_best;
}

std::string metric_text(const std::string& metric, double value) {
  char text[32];
  std::snprintf(text, sizeof(text), metric == kCrossEntropy ? "%.4f" : "%.2f", value);
  return text;
}

}  // namespace switchyard
