// SPDX-License-Identifier: Apache-2.0
#include "src/nn/target_log_probs.h"

#include <cmath>
#include <limits>

#include "src/core/error.h"
#include "src/nn/loss.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_model.h"

namespace switchyard {
namespace {

TEST_CASE("target log-probabilities are the log-softmax of the teacher-forced logits") {
  TinyModel tiny(tiny_config({false, true}, {true}));
  // More tokens than are downloaded at a time.
  std::vector<std::int64_t> lengths(61, 7);
  lengths[1] = 1;
  const HostBatch host = random_batch(tiny.model.config(), lengths, lengths, 3);
  const std::vector<std::vector<float>> found = target_log_probs(*tiny.ctx, tiny.model, host, {});

  const ArenaScope scope(tiny.ctx->saved);
  const Batch batch = upload_batch(*tiny.ctx, tiny.ctx->saved, host, tiny.model.config());
  const std::vector<float> logits = tiny.read(tiny.model.logits(*tiny.ctx, {}, batch));
  REQUIRE(found.size() == host.target.size());
  const std::int64_t vocab = tiny.model.config().vocab_size;
  std::size_t row = 0;
  double sum = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    REQUIRE(found[i].size() == host.target[i].size());
    for (std::size_t t = 0; t < found[i].size(); ++t, ++row) {
      const float* of_row = logits.data() + row * static_cast<std::size_t>(vocab);
      double total = 0;
      for (std::int64_t v = 0; v < vocab; ++v) total += std::exp(double{of_row[v]});
      CAPTURE(i, t);
      // float32's rounding, of logits around 1
      CHECK(std::abs(double{found[i][t]} - (double{of_row[host.target[i][t]]} - std::log(total))) <
            1e-5);
      sum += double{found[i][t]};
    }
  }
  const LossResult loss = compute_loss(*tiny.ctx, tiny.model, host, {}, {}, nullptr);
  CHECK(std::abs(sum + loss.nll_sum) < 1e-5 * std::abs(sum));
}

TEST_CASE("target log-probabilities: the capacity holds in both stacks, bad ids are refused") {
  TinyModel tiny(tiny_config({true}, {true}));
  const HostBatch host = random_batch(tiny.model.config(), {7}, {9}, 5);
  CapacityOptions capacity;
  capacity.expert_capacity = 1;
  CHECK(target_log_probs(*tiny.ctx, tiny.model, host, {}) !=
        target_log_probs(*tiny.ctx, tiny.model, host, capacity));
  Pass pass;
  pass.capacity = capacity;
  double sum = 0;
  const auto found = target_log_probs(*tiny.ctx, tiny.model, host, capacity);
  for (const float x : found[0]) sum += double{x};
  const double expected = compute_loss(*tiny.ctx, tiny.model, host, pass, {}, nullptr).nll_sum;
  CHECK(std::abs(sum + expected) < 1e-5 * expected);

  for (const std::int32_t id : {-1, 7}) {
    const HostBatch bad{{{1}}, {{id}}, {0}};
    CHECK_THROWS_AS(target_log_probs(*tiny.ctx, tiny.model, bad, {}), Error);
  }
}

TEST_CASE("target log-probabilities that are not finite are an error") {
  TinyModel tiny(tiny_config());
  const float nan = std::numeric_limits<float>::quiet_NaN();
  fill(*tiny.ctx, nan, tiny.values[tiny.model.shared]);
  const HostBatch host{{{3, 1}}, {{4, 1}}, {0}};
  CHECK_THROWS_AS(target_log_probs(*tiny.ctx, tiny.model, host, {}), Error);
}

}  // namespace
}  // namespace switchyard
