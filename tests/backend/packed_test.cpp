// SPDX-License-Identifier: Apache-2.0
// Packed forms that come from a file: an adopted weight is the weight it was downloaded from.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "src/core/error.h"
#include "tests/backend/machine.h"

namespace switchyard {
namespace {

constexpr std::int64_t kTokens = 7, kIn = 70, kOut = 130;

// Host memory as a mapped file has it.
std::shared_ptr<std::byte> host_memory(std::size_t bytes) {
  const std::size_t size = (bytes + 63) / 64 * 64;
  return {static_cast<std::byte*>(std::aligned_alloc(64, size)), std::free};
}

TEST_CASE("an adopted weight computes what the packed one does") {
  const DType type = GENERATE(DType::f32, DType::bf16, DType::i8);
  const WeightRole role = GENERATE(WeightRole::matmul, WeightRole::router, WeightRole::head);
  Machine m(2, false, true, type);
  Context& ctx = *m.ctx;
  Weight packed{m.normal(kOut, kIn), nullptr, role};
  const View value = packed.value;
  const bool replaces_value = prepare_weight(ctx, packed);
  packed.forget_value();
  Weight adopted{packed.value, nullptr, role};
  const std::string layout = packed_layout(ctx, adopted);
  const std::size_t bytes = packed_bytes(ctx, adopted);
  CAPTURE(name_of(type), layout, bytes);
  CHECK(layout.empty() == !replaces_value);
  CHECK(layout.empty() == (bytes == 0));
  if (layout.empty()) return;

  const auto host = host_memory(bytes);
  download_packed(ctx, packed, host.get());
  adopt_packed(ctx, adopted, host);
  const std::vector<std::byte> before(host.get(), host.get() + bytes);
  const auto results = [&](const Weight& w) {
    // A router's matmuls are f32.
    const DType matrices = role == WeightRole::router ? DType::f32 : ctx.compute_type;
    const View x = ctx.scratch.make(kTokens, kIn, matrices), y = m.output(kTokens, kOut),
               looked_up = m.output(3, kIn);
    fill(ctx, 0.7f, x);
    linear(ctx, x, w, y);
    embed(ctx, w, m.ints(3, 1, {0, 129, 64}), looked_up);
    std::vector<double> all = m.reals(y).values;
    for (const double v : m.reals(looked_up).values) all.push_back(v);
    return all;
  };
  CHECK(results(adopted) == results(packed));
  CHECK_THROWS_AS(prepare_weight(ctx, adopted), Error);  // it has no value

  // Once it has one again, it is packed into memory of its own.
  Weight again = adopted;
  again.value = value;
  fill(ctx, 1, again.value);
  prepare_weight(ctx, again);
  again.forget_value();
  CHECK(std::memcmp(before.data(), host.get(), bytes) == 0);
  CHECK(results(adopted) == results(packed));
  CHECK(results(again) != results(packed));
}

TEST_CASE("an adopted weight keeps its memory as long as it needs it") {
  Machine m(1, false, true);
  Weight weight{m.normal(kOut, kIn), nullptr, WeightRole::matmul};
  if (packed_layout(*m.ctx, weight).empty()) return;
  prepare_weight(*m.ctx, weight);
  auto host = host_memory(packed_bytes(*m.ctx, weight));
  download_packed(*m.ctx, weight, host.get());
  const std::weak_ptr<std::byte> watched = host;
  Weight adopted{weight.value, nullptr, WeightRole::matmul};
  adopt_packed(*m.ctx, adopted, std::move(host));
  adopted.forget_value();
  const View y = m.output(2, kOut);
  linear(*m.ctx, m.normal(2, kIn), adopted, y);
  adopted.packed = nullptr;
  CHECK(watched.expired());
}

TEST_CASE("a weight with too many inputs for int8 is refused, also from a file") {
  Machine m(1, false, true, DType::i8);
  const Weight weight{m.output(1, (1 << 16) + 1), nullptr, WeightRole::matmul};
  if (packed_layout(*m.ctx, weight).empty()) return;
  CHECK_THROWS_AS(packed_bytes(*m.ctx, weight), Error);
}

}  // namespace
}  // namespace switchyard
