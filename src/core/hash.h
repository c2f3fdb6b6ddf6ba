// SPDX-License-Identifier: Apache-2.0
// Hashes that detect changed content; not for adversarial input.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace switchyard {

// FNV-1a (Fowler, Noll, Vo), for a few values.
class Fnv1a {
 public:
  // Adds a byte, or an integer in one step.
  void add(std::uint64_t x) { hash_ = (hash_ ^ x) * 0x100000001B3ull; }
  void add(std::string_view bytes) {
    for (const char c : bytes) add(static_cast<unsigned char>(c));
  }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325ull;
};

// XXH64 with seed 0 (github.com/Cyan4973/xxHash, doc/xxhash_spec.md), for files: several bytes per
// cycle, and `xxhsum -H64` prints the same number. FNV-1a in steps of integers would not notice two
// changed signs.
class Xxh64 {
 public:
  void add(std::span<const std::byte> bytes) {
    total_ += bytes.size();
    while (!bytes.empty()) {
      if (filled_ == 0 && bytes.size() >= kStripe) {
        add_stripe(bytes.data());
        bytes = bytes.subspan(kStripe);
        continue;
      }
      const std::size_t n = bytes.size() < kStripe - filled_ ? bytes.size() : kStripe - filled_;
      std::memcpy(rest_ + filled_, bytes.data(), n);
      filled_ += n;
      bytes = bytes.subspan(n);
      if (filled_ == kStripe) {
        add_stripe(rest_);
        filled_ = 0;
      }
    }
  }

  std::uint64_t value() const {
    std::uint64_t h = kPrime5;
    if (total_ >= kStripe) {
      h = std::rotl(lane_[0], 1) + std::rotl(lane_[1], 7) + std::rotl(lane_[2], 12) +
          std::rotl(lane_[3], 18);
      for (const std::uint64_t lane : lane_) h = (h ^ round(0, lane)) * kPrime1 + kPrime4;
    }
    h += total_;
    std::size_t i = 0;
    for (; i + 8 <= filled_; i += 8)
      h = std::rotl(h ^ round(0, load<std::uint64_t>(rest_ + i)), 27) * kPrime1 + kPrime4;
    if (i + 4 <= filled_) {
      h = std::rotl(h ^ (load<std::uint32_t>(rest_ + i) * kPrime1), 23) * kPrime2 + kPrime3;
      i += 4;
    }
    for (; i < filled_; ++i)
      h = std::rotl(h ^ (static_cast<std::uint64_t>(rest_[i]) * kPrime5), 11) * kPrime1;
    h = (h ^ (h >> 33)) * kPrime2;
    h = (h ^ (h >> 29)) * kPrime3;
    return h ^ (h >> 32);
  }

 private:
  static constexpr std::size_t kStripe = 32;
  static constexpr std::uint64_t kPrime1 = 0x9E3779B185EBCA87ull, kPrime2 = 0xC2B2AE3D27D4EB4Full,
                                 kPrime3 = 0x165667B19E3779F9ull, kPrime4 = 0x85EBCA77C2B2AE63ull,
                                 kPrime5 = 0x27D4EB2F165667C5ull;

  template <class T>
  static T load(const std::byte* from) {  // little-endian, as the machines we run on
    T x;
    std::memcpy(&x, from, sizeof(x));
    return x;
  }
  static std::uint64_t round(std::uint64_t lane, std::uint64_t x) {
    return std::rotl(lane + x * kPrime2, 31) * kPrime1;
  }
  void add_stripe(const std::byte* from) {
    for (std::size_t i = 0; i < 4; ++i)
      lane_[i] = round(lane_[i], load<std::uint64_t>(from + 8 * i));
  }

  std::uint64_t lane_[4] = {kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
  std::byte rest_[kStripe] = {};
  std::size_t filled_ = 0;
  std::uint64_t total_ = 0;
};

inline std::uint64_t xxh64(std::span<const std::byte> bytes) {
  Xxh64 hash;
  hash.add(bytes);
  return hash.value();
}

}  // namespace switchyard
