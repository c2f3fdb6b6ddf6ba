// SPDX-License-Identifier: Apache-2.0
// Which of two validations is better by each metric, and what follows for a run.
#include "src/app/training/metric_history.h"

#include <limits>

#include "tests/support/catch.h"

namespace switchyard {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST_CASE("more BLEU or chrF is better, less cross-entropy") {
  for (const std::string metric : {"bleu", "chrf"}) {
    CAPTURE(metric);
    // Regardless of the cross-entropy.
    CHECK(better(metric, {21.5, 3}, {21.4, 2}));
    CHECK(!better(metric, {21.4, 2}, {21.5, 3}));
    CHECK(!ce_decides(metric, {21.4, 2}, {21.5, 3}));
    CHECK(!better(metric, {kNan, 1}, {21.5, 3}));
  }
  CHECK(better("ce-mean-words", {1.5, 1.5}, {1.6, 1.6}));
  CHECK(!better("ce-mean-words", {1.6, 1.6}, {1.5, 1.5}));
  CHECK(!better("ce-mean-words", {1.5, 1.5}, {1.5, 1.5}));
  CHECK(!better("ce-mean-words", {kNan, kNan}, {1.5, 1.5}));
  CHECK(!ce_decides("ce-mean-words", {0, 0}, {0, 0}));
}

TEST_CASE("ties of BLEU and chrF are decided by ce-mean-words") {
  for (const std::string metric : {"bleu", "chrf"}) {
    for (const double value : {0.0, 21.5}) {
      CAPTURE(metric, value);
      CHECK(ce_decides(metric, {value, 2}, {value, 3}));
      CHECK(better(metric, {value, 2}, {value, 3}));
      CHECK(!better(metric, {value, 3}, {value, 2}));
      CHECK(!better(metric, {value, 2}, {value, 2}));
      CHECK(!better(metric, {value, kNan}, {value, 2}));
    }
    CHECK(better(metric, {0.4, 3}, {0, 2}));
    CHECK(!better(metric, {0, 2}, {0.4, 3}));
  }
}

TEST_CASE("ce-mean-words decides for a metric that is not meaningful") {
  // An untrained model may score above 0 by chance where a good one scores 0.
  CHECK(ce_decides("bleu", {0, 2, false}, {0.4, 3, false}));
  CHECK(better("bleu", {0, 2, false}, {0.4, 3, false}));
  CHECK(!better("bleu", {0.4, 3, false}, {0, 2, false}));
  CHECK(better("bleu", {0, 2, false}, {0.4, 3}));  // the best of a resumed run
}

TEST_CASE("a history keeps the best validation, counts those since, and explains itself") {
  MetricHistory h;
  const auto note = [&](const MetricValue& now, std::int64_t update) {
    const std::string said = h.judgement("bleu", now);
    const bool is_best = h.record("bleu", now, update);
    CHECK(is_best == (h.best_update == update));
    return said;
  };
  CHECK(note({0, 3}, 10) == "new best");
  CHECK(note({0, 3}, 20) ==
        "stalled 1 times (last best: 0.00, by ce-mean-words: 3.0000 against 3.0000)");
  CHECK(note({0, 3.5}, 30) ==
        "stalled 2 times (last best: 0.00, by ce-mean-words: 3.5000 against 3.0000)");
  CHECK(h.stalled == 2);
  CHECK(h.best_update == 10);
  CHECK(note({0, 2.5}, 40) == "new best (by ce-mean-words: 2.5000 against 3.0000)");
  CHECK(h.stalled == 0);
  CHECK(note({4.25, 2.75}, 50) == "new best");
  CHECK(note({4.5, 3}, 60) == "new best");
  CHECK(note({4.25, 2}, 70) == "stalled 1 times (last best: 4.50)");
  CHECK(note({4.5, 2.5}, 80) == "new best (by ce-mean-words: 2.5000 against 3.0000)");
  CHECK(note({kNan, 1}, 90) == "stalled 1 times (last best: 4.50)");
  CHECK(h.best.value == 4.5);
  CHECK(h.best.ce_mean_words == 2.5);
  CHECK(h.best_update == 80);
  CHECK(h.stalled == 1);
}

TEST_CASE("a best whose cross-entropy is unknown loses to the first tie") {
  MetricHistory h{{21.5}, 10, 0};
  CHECK(h.record("bleu", {21.5, 3}, 20));
  CHECK(!h.record("bleu", {21.5, 3}, 30));
}

}  // namespace
}  // namespace switchyard
