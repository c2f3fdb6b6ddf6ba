// SPDX-License-Identifier: Apache-2.0
// Inputs and results of Hugging Face's own tests of this model's router:
// SwitchTransformerRouterTest in transformers'
// tests/models/switch_transformers/test_modeling_switch_transformers.py. They were recorded from
// the original implementation.
#include "tests/backend/machine.h"
#include "tests/backend/routing.h"

namespace switchyard {
namespace {

using Catch::Matchers::WithinAbs;

constexpr double kFivePlaces = 5e-6;

View reals(Machine& m, std::int64_t rows, std::int64_t cols, const std::vector<float>& values) {
  const View v = m.output(rows, cols);
  upload(*m.ctx, values.data(), v.size(), v);
  return v;
}

// {balance loss, z-loss} of one batch of tokens.
std::vector<double> losses(Machine& m, const Routing& routing) {
  const View statistics = m.output(1, router_statistics_size(routing.probs.cols));
  router_statistics(*m.ctx, routing, statistics);
  return m.reals(statistics).values;
}

Routing routed(Machine& m, ConstView logits, Capacity capacity, const Ragged& tokens) {
  Routing r = make_routing(m, logits.rows, logits.cols);
  route(*m.ctx, logits, capacity, tokens, r);
  return r;
}

TEST_CASE("Hugging Face's router tests: balance loss") {
  Machine m = any_machine();
  Routing r = make_routing(m, 5, 2);
  r.probs = reals(m, 5, 2,
                  {0.35490513f, 0.60419905f, 0.4275843f, 0.23061597f, 0.32985854f, 0.43953657f,
                   0.25099766f, 0.27730572f, 0.7678207f, 0.71474564f});
  r.logsumexp = m.filled(5, 1, 0);
  r.expert_count = m.ints(1, 2, {3, 2});
  r.dropped = m.ints(1, 1, {0});
  CHECK_THAT(losses(m, r)[0], WithinAbs(0.8741045, kFivePlaces));
}

TEST_CASE("Hugging Face's router tests: z-loss") {
  Machine m = any_machine();
  const View logits = reals(
      m, 12, 4,
      {-4.2124424f,  3.891939f,   -3.6481273f,  1.8849981f,   0.32625437f, 2.918651f,   0.84758997f,
       -4.556842f,   -3.32062f,   4.6977115f,   -0.15439987f, 0.44086337f, 3.4467149f,  4.3436565f,
       -4.7224274f,  -4.264637f,  -2.224406f,   -2.5318158f,  -1.3832569f, 1.1891162f,  -2.320062f,
       -0.44705987f, 4.289819f,   -0.00662684f, 0.99470854f,  -0.6992364f, 0.25503993f, 4.2952085f,
       3.5937333f,   -3.2408535f, -4.298278f,   4.426601f,    0.7669008f,  2.6588762f,  2.4505413f,
       4.6051874f,   0.23330331f, -3.0845237f,  0.6262374f,   -2.9865491f, 0.7595146f,  -2.1099675f,
       -4.155346f,   -2.8326452f, 2.3771453f,   1.004138f,    -3.1781673f, 0.7581556f});
  CHECK_THAT(losses(m, routed(m, logits, {}, m.ragged({6, 6})))[1],
             WithinAbs(13.786719, kFivePlaces));
}

TEST_CASE("Hugging Face's router tests: both losses of a router") {
  Machine m = any_machine();
  const View weight = reals(m, 2, 4,
                            {0.02008116f, -0.00811031f, -0.03542127f, 0.02335377f, 0.00620062f,
                             -0.00031623f, 0.02703803f, -0.02971946f});
  const std::vector<std::vector<float>> sequences = {
      {0.6433916f, 0.18188512f, 0.02240455f, 0.563781f, 0.5526401f, 0.0958724f, 0.34253013f,
       0.03644359f, 0.08744538f, 0.7909105f, 0.35205448f, 0.53364205f},
      {0.02900076f, 0.4168595f, 0.5802449f, 0.91486526f, 0.27414513f, 0.14991808f, 0.9383501f,
       0.5209162f, 0.51207185f, 0.90618336f, 0.7309413f, 0.95533276f}};
  Weight router;
  router.value = weight;
  router.role = WeightRole::router;
  // It averages over sequences, of the same length here.
  double balance = 0, z = 0;
  for (const std::vector<float>& sequence : sequences) {
    const View logits = m.output(3, 2);
    linear(*m.ctx, reals(m, 3, 4, sequence), router, logits);
    const std::vector<double> found = losses(m, routed(m, logits, {}, m.ragged({3})));
    balance += found[0] / 2;
    z += found[1] / 2;
  }
  CHECK_THAT(balance, WithinAbs(1.000308, kFivePlaces));
  CHECK_THAT(z, WithinAbs(0.4789799, kFivePlaces));
}

TEST_CASE("Hugging Face's router tests: capacity") {
  Machine m = any_machine();
  constexpr std::int64_t kBatch = 4, kLength = 128, kExperts = 2, kCapacity = 4;
  const Ragged tokens = m.ragged({kLength, kLength, kLength, kLength});
  const Routing r =
      routed(m, m.normal(kBatch * kLength, kExperts), {Capacity::kPerSequence, kCapacity}, tokens);
  std::int64_t kept = 0;
  for (const std::int32_t slot : m.whole_numbers(r.slot_of_token).values) kept += slot >= 0;
  CHECK(kept <= kBatch * kExperts * kCapacity);
  CHECK(m.whole_numbers(r.dropped)[0] == kBatch * kLength - kept);
}

}  // namespace
}  // namespace switchyard
