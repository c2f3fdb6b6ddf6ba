// SPDX-License-Identifier: Apache-2.0
// FNV-1a (Fowler, Noll, Vo): detects changed content; not for adversarial input.
#pragma once

#include <cstdint>

namespace switchyard {

class Fnv1a {
 public:
  // Adds a byte, or an integer in one step.
  void add(std::uint64_t x) { hash_ = (hash_ ^ x) * 0x100000001B3ull; }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xCBF29CE484222325ull;
};

}  // namespace switchyard
