// SPDX-License-Identifier: Apache-2.0
#include "bench/roofline.h"

#include <algorithm>
#include <barrier>
#include <numeric>
#include <thread>
#include <vector>

#include "bench/harness.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/roofline.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::bench {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
constexpr hn::ScalableTag<float> f32{};

// All of these require n to be a multiple of 4 vectors.
float read(std::size_t n, const float* x) {
  const std::size_t step = hn::Lanes(f32);
  auto a = hn::Zero(f32), b = a, c = a, d = a;
  for (std::size_t i = 0; i < n; i += 4 * step) {
    a = hn::Add(a, hn::LoadU(f32, x + i));
    b = hn::Add(b, hn::LoadU(f32, x + i + step));
    c = hn::Add(c, hn::LoadU(f32, x + i + 2 * step));
    d = hn::Add(d, hn::LoadU(f32, x + i + 3 * step));
  }
  return hn::GetLane(hn::Add(hn::Add(a, b), hn::Add(c, d)));
}

void write(std::size_t n, float value, float* y) {
  const std::size_t step = hn::Lanes(f32);
  const auto v = hn::Set(f32, value);
  for (std::size_t i = 0; i < n; i += 4 * step)
    for (std::size_t j = 0; j < 4; ++j) hn::StoreU(v, f32, y + i + j * step);
}

// y = factor * x; y may be x.
void scale(std::size_t n, float factor, const float* x, float* y) {
  const std::size_t step = hn::Lanes(f32);
  const auto f = hn::Set(f32, factor);
  for (std::size_t i = 0; i < n; i += 4 * step)
    for (std::size_t j = 0; j < 4; ++j)
      hn::StoreU(hn::Mul(f, hn::LoadU(f32, x + i + j * step)), f32, y + i + j * step);
}

// Runs `rounds` multiply-adds in each of 12 chains, more than any processor needs to hide their
// latency; sets `flops`.
float multiply_add(std::size_t rounds, float factor, double* flops) {
  const auto m = hn::Set(f32, factor);
  // Different starting values keep the compiler from merging the chains.
  auto a = m, b = hn::Add(a, m), c = hn::Add(b, m), d = hn::Add(c, m), e = hn::Add(d, m),
       f = hn::Add(e, m), g = hn::Add(f, m), h = hn::Add(g, m), i = hn::Add(h, m),
       j = hn::Add(i, m), k = hn::Add(j, m), l = hn::Add(k, m);
  for (std::size_t r = 0; r < rounds; ++r) {
    a = hn::MulAdd(a, m, m);
    b = hn::MulAdd(b, m, m);
    c = hn::MulAdd(c, m, m);
    d = hn::MulAdd(d, m, m);
    e = hn::MulAdd(e, m, m);
    f = hn::MulAdd(f, m, m);
    g = hn::MulAdd(g, m, m);
    h = hn::MulAdd(h, m, m);
    i = hn::MulAdd(i, m, m);
    j = hn::MulAdd(j, m, m);
    k = hn::MulAdd(k, m, m);
    l = hn::MulAdd(l, m, m);
  }
  *flops = 2.0 * 12.0 * static_cast<double>(rounds * hn::Lanes(f32));
  const auto sum = hn::Add(hn::Add(hn::Add(a, b), hn::Add(c, d)), hn::Add(e, f));
  return hn::GetLane(hn::Add(hn::Add(sum, hn::Add(g, h)), hn::Add(hn::Add(i, j), hn::Add(k, l))));
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::bench
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::bench {

volatile float sink;  // keeps the compiler from dropping results

HWY_EXPORT(read);
HWY_EXPORT(write);
HWY_EXPORT(scale);
HWY_EXPORT(multiply_add);

void each_target(const std::function<void(const std::string& target)>& f) {
  std::vector<std::int64_t> targets = hwy::SupportedAndGeneratedTargets();
  std::sort(targets.begin(), targets.end());  // better targets have lower bits
  for (const std::int64_t target : targets) {
    hwy::SetSupportedTargetsForTest(target);
    f(hwy::TargetName(target));
  }
  hwy::SetSupportedTargetsForTest(0);
}

// Floats: a multiple of four vectors of any target, and a page.
constexpr std::int64_t kStep = 1024;

MemoryRates memory_rates(Context& ctx, std::int64_t bytes, double seconds) {
  const std::int64_t floats = bytes / static_cast<std::int64_t>(sizeof(float));
  const std::int64_t half_size = std::max<std::int64_t>(1, floats / 2 / kStep) * kStep;
  const auto half = static_cast<std::size_t>(half_size), all = 2 * half;
  const ArenaScope scope(ctx.scratch);
  auto* x = static_cast<float*>(ctx.scratch.make_row(2 * half_size).data);
  std::fill(x, x + all, 1.0f);
  const float one = x[0];
  const auto rate = [&](double moved, const std::function<void()>& f) {
    return moved / median_seconds(seconds, f) * 1e-9;
  };
  const double set = static_cast<double>(all * sizeof(float));
  MemoryRates rates;
  rates.read = rate(set, [&] { sink = HWY_DYNAMIC_DISPATCH(read)(all, x); });
  rates.write = rate(set, [&] { HWY_DYNAMIC_DISPATCH(write)(all, one, x); });
  rates.copy = rate(set, [&] { HWY_DYNAMIC_DISPATCH(scale)(half, one, x, x + half); });
  rates.update = rate(2 * set, [&] { HWY_DYNAMIC_DISPATCH(scale)(all, one, x, x); });
  return rates;
}

double shared_read_rate(Context& ctx, std::int64_t bytes, const Readers& readers) {
  const std::int64_t floats = bytes / static_cast<std::int64_t>(sizeof(float));
  const std::int64_t part_size =
      std::max<std::int64_t>(1, floats / readers.threads / kStep) * kStep;
  const auto part = static_cast<std::size_t>(part_size);
  const Tensor weights(ctx, 1, part_size * readers.threads);
  auto* x = static_cast<float*>(weights.view().data);
  std::fill(x, x + part_size * readers.threads, 1.0f);

  std::vector<double> rates(static_cast<std::size_t>(readers.workers * readers.threads));
  std::barrier start(std::ssize(rates));
  std::vector<std::thread> running;
  for (std::size_t r = 0; r < rates.size(); ++r) {
    running.emplace_back([&, r] {
      const float* own = x + part * (r % static_cast<std::size_t>(readers.threads));
      volatile float kept;  // keeps the compiler from dropping results
      start.arrive_and_wait();
      const double seconds =
          median_seconds(readers.seconds, [&] { kept = HWY_DYNAMIC_DISPATCH(read)(part, own); });
      rates[r] = static_cast<double>(part * sizeof(float)) / seconds * 1e-9;
    });
  }
  for (std::thread& t : running) t.join();
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

double least_seconds(const Traffic& bytes, const MemoryRates& rates) {
  const double copied = std::min(bytes.read, bytes.write);
  return (2 * copied / rates.copy + (bytes.read - copied) / rates.read +
          (bytes.write - copied) / rates.write + 2 * bytes.update / rates.update) *
         1e-9;
}

double multiply_add_gflops(double seconds) {
  constexpr std::size_t kRounds = 10000;
  double flops = 0;
  volatile float factor = 0.5f;  // keeps the compiler from computing the result
  const double s = median_seconds(
      seconds, [&] { sink = HWY_DYNAMIC_DISPATCH(multiply_add)(kRounds, factor, &flops); });
  return flops / s * 1e-9;
}

}  // namespace switchyard::bench
#endif
