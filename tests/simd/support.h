// SPDX-License-Identifier: Apache-2.0
// Shared by simd/'s tests: every target in turn, the lengths that matter, and misaligned matrices
// with guard values around each row.
#pragma once

#include <cstdint>
#include <vector>

#include "hwy/highway.h"
#include "simd/rows_view.h"
#include "src/core/rng.h"
#include "tests/support/catch.h"
#include "tests/support/close.h"

namespace switchyard::simd {

// Calls f() on each target that is compiled, that this machine has and that the cap allows.
template <class F>
void for_each_target(F&& f) {
  for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    CAPTURE(hwy::TargetName(target));
    f();
  }
  hwy::SetSupportedTargetsForTest(0);
}

// From `from` to two vectors of the widest target plus one, and some larger.
inline std::vector<std::int64_t> lengths(std::int64_t from) {
  std::vector<std::int64_t> all;
  for (std::int64_t n = from; n <= 33; ++n) all.push_back(n);
  all.insert(all.end(), {48, 63, 64, 65, 127, 200});
  return all;
}

template <class T>
class Guarded {
 public:
  Guarded(std::int64_t rows, std::int64_t cols, T value = T{})
      : rows_(rows),
        cols_(cols),
        data_(static_cast<std::size_t>(kLead + rows * (cols + kGap)), kGuard) {
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t c = 0; c < cols; ++c) at(r, c) = value;
  }

  T& at(std::int64_t r, std::int64_t c) { return view()[r][c]; }
  Rows<T> view() { return {data_.data() + kLead, cols_ + kGap}; }
  Rows<const T> in() { return view(); }
  T* data() { return view().data; }

  std::vector<T> values() {
    std::vector<T> all;
    for (std::int64_t r = 0; r < rows_; ++r)
      for (std::int64_t c = 0; c < cols_; ++c) all.push_back(at(r, c));
    return all;
  }

  // Returns true if nothing was written outside the rows.
  bool intact() const {
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(data_.size()); ++i) {
      const std::int64_t in_row = i < kLead ? cols_ : (i - kLead) % (cols_ + kGap);
      if (in_row >= cols_ && data_[static_cast<std::size_t>(i)] != kGuard) return false;
    }
    return true;
  }

 private:
  static constexpr std::int64_t kLead = 1, kGap = 5;
  static constexpr T kGuard = T(123);
  std::int64_t rows_, cols_;
  std::vector<T> data_;
};

using Matrix = Guarded<float>;
using IntMatrix = Guarded<std::int32_t>;

// Uniform values in [-range, range).
inline Matrix random_matrix(std::int64_t rows, std::int64_t cols, std::uint64_t seed,
                            double range = 1) {
  Rng rng(seed);
  Matrix m(rows, cols);
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < cols; ++c)
      m.at(r, c) = static_cast<float>((2 * rng.uniform() - 1) * range);
  return m;
}

// Tags (sentence and position) of `rows` tokens.
inline IntMatrix some_tags(std::int64_t rows) {
  IntMatrix tags(rows, 2);
  for (std::int64_t r = 0; r < rows; ++r) {
    tags.at(r, 0) = static_cast<std::int32_t>(7 + r / 2);
    tags.at(r, 1) = static_cast<std::int32_t>(r % 2);
  }
  return tags;
}

// The factor that dropout applies to element i of a token's row.
inline double drop_factor(float rate, std::uint64_t stream, const std::int32_t* tag,
                          std::uint32_t i) {
  if (rate == 0) return 1;
  const std::uint64_t key =
      row_key(stream, static_cast<std::uint32_t>(tag[0]), static_cast<std::uint32_t>(tag[1]));
  if (random_u32(key, i) < drop_threshold(rate)) return 0;
  return 1 / (1 - static_cast<double>(rate));
}

}  // namespace switchyard::simd
