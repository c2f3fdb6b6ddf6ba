// SPDX-License-Identifier: Apache-2.0
// Counter-based random numbers: a pure function of (seed, step, site, sentence, position, element),
// so a number does not depend on threads, batch order or a row's place in a buffer. Mixing: the
// finalizers of SplitMix64 (Steele et al. 2014) and of a 32-bit multiply-xorshift hash. simd/
// computes random_u32 on whole rows and must give the same values.
#pragma once

#include <cstdint>

namespace switchyard {

constexpr std::uint64_t mix64(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

// The stream of one step at one site (a layer's dropout, jitter, the shuffle, ...).
constexpr std::uint64_t stream_key(std::uint64_t seed, std::uint64_t step, std::uint64_t site) {
  return mix64(mix64(mix64(seed) ^ step) ^ (site * 0xD6E8FEB86659FD93ull));
}

// The key of one row (token) of a stream.
constexpr std::uint64_t row_key(std::uint64_t stream, std::uint32_t sentence,
                                std::uint32_t position) {
  return mix64(stream ^ ((std::uint64_t{sentence} << 32) | position));
}

// The number of element `i` of a row. Uses 32-bit operations only, so that a vector computes one
// number per lane.
constexpr std::uint32_t random_u32(std::uint64_t row_key, std::uint32_t i) {
  std::uint32_t x = (i * 0x9E3779B1u) ^ static_cast<std::uint32_t>(row_key);
  x = (x ^ (x >> 16)) * 0x7FEB352Du;
  x ^= static_cast<std::uint32_t>(row_key >> 32);
  x = (x ^ (x >> 15)) * 0x846CA68Bu;
  return x ^ (x >> 16);
}

// Uniform in [0, 1), 24 bits, exact in f32.
constexpr float uniform_f32(std::uint32_t random) {
  return static_cast<float>(random >> 8) * 0x1p-24f;
}

// An element is dropped if its number is below this: the rate in units of 2^-32.
constexpr std::uint32_t drop_threshold(float rate) {
  return static_cast<std::uint32_t>(static_cast<double>(rate) * 4294967296.0);
}

// A sequential generator over one stream, for the host: shuffling, initialization.
class Rng {
 public:
  explicit Rng(std::uint64_t key) : key_(key) {}
  std::uint64_t next_u64() { return mix64(key_ ^ mix64(counter_++)); }
  // Uniform in [0, n), n > 0, without modulo bias.
  std::uint64_t below(std::uint64_t n) {
    const std::uint64_t limit = ~std::uint64_t{0} - (~std::uint64_t{0} % n + 1) % n;
    std::uint64_t x = next_u64();
    while (x > limit) x = next_u64();
    return x % n;
  }
  double uniform() { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }
  // Standard normal (Box-Muller); truncated_normal() rejects values beyond +-2.
  double normal();
  double truncated_normal();

 private:
  std::uint64_t key_;
  std::uint64_t counter_ = 0;
};

}  // namespace switchyard
