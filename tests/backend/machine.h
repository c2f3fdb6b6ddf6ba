// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of the contract: views of random values in a backend's memory, in the most
// hostile layout the contract allows, and their values on the host.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "src/backend/backend.h"
#include "tests/reference/ops.h"
#include "tests/support/catch.h"
#include "tests/support/close.h"

namespace switchyard {

using reference::IntMatrix;
using Reals = reference::Matrix<double>;

// For f32 sums of some hundred terms, relative to the result's largest value.
constexpr double kRtol = 1e-5;

class Machine {
 public:
  Machine(int threads, bool strided, bool row_invariant = false, DType compute_type = DType::f32)
      : ctx(make_context({threads, row_invariant, compute_type})), strided_(strided) {}

  // Standard normal values.
  View normal(std::int64_t rows, std::int64_t cols) {
    return store(rows, cols, [&] { return static_cast<float>(rng_.normal()); });
  }
  View filled(std::int64_t rows, std::int64_t cols, float value) {
    return store(rows, cols, [&] { return value; });
  }
  // For a result that is overwritten: the old content must not matter.
  View output(std::int64_t rows, std::int64_t cols) {
    return filled(rows, cols, std::numeric_limits<float>::quiet_NaN());
  }
  View ints(std::int64_t rows, std::int64_t cols, const std::vector<std::int32_t>& values) {
    const View v = place(rows, cols, DType::i32);
    upload(*ctx, values.data(), v.size(), v);
    return v;
  }
  // Each in [0, limit).
  View indices(std::int64_t rows, std::int64_t limit) {
    std::vector<std::int32_t> values;
    for (std::int64_t i = 0; i < rows; ++i)
      values.push_back(static_cast<std::int32_t>(rng_.below(static_cast<std::uint64_t>(limit))));
    return ints(rows, 1, values);
  }
  View int_output(std::int64_t rows, std::int64_t cols) {
    return ints(rows, cols, std::vector<std::int32_t>(static_cast<std::size_t>(rows * cols), -77));
  }
  // Without gaps, as flat parameter buffers are.
  View flat(std::int64_t n) {
    const bool strided = std::exchange(strided_, false);
    const View v = normal(1, n);
    strided_ = strided;
    return v;
  }
  // What decide_update() makes, by hand.
  View decision(float grad_scale, bool updated) {
    const View v = output(1, kDecisionSize);
    fill(*ctx, grad_scale, v.slice_cols(kGradScale, 1));
    fill(*ctx, updated ? 1 : 0, v.slice_cols(kUpdated, 1));
    return v;
  }
  // Sequences of these lengths, with sentence numbers and positions as tags.
  Ragged ragged(const std::vector<std::int32_t>& lengths) {
    std::vector<std::int32_t> offsets = {0}, tags;
    Ragged r;
    r.batch = static_cast<std::int64_t>(lengths.size());
    for (std::int32_t length : lengths) {
      for (std::int32_t p = 0; p < length; ++p) {
        tags.push_back(static_cast<std::int32_t>(offsets.size()) + 100);
        tags.push_back(p);
      }
      offsets.push_back(offsets.back() + length);
      r.max_len = std::max<std::int64_t>(r.max_len, length);
    }
    r.tokens = offsets.back();
    r.offsets = flat_ints(offsets);
    r.tags = ints(r.tokens, 2, tags);
    return r;
  }

  Reals reals(ConstView v) const {
    if (!v) return {};
    std::vector<float> host(static_cast<std::size_t>(v.size()));
    download(*ctx, v, host.data(), v.size());
    return {v.rows, v.cols, std::vector<double>(host.begin(), host.end())};
  }
  IntMatrix whole_numbers(ConstView v) const {
    IntMatrix m(v.rows, v.cols);
    download(*ctx, v, m.values.data(), v.size());
    return m;
  }
  reference::Sequences sequences(const Ragged& r) const {
    return {whole_numbers(r.offsets).values, whole_numbers(r.tags)};
  }
  // Empty if the view holds these values and the gaps of all this machine's views are intact.
  std::string differs(ConstView v, const Reals& expected, double rtol = kRtol) const {
    const std::string gaps = broken_gaps();
    return gaps.empty() ? close(reals(v).values, expected.values, rtol, 1e-7) : gaps;
  }

  std::unique_ptr<Context> ctx;

 private:
  struct Placed {
    Tensor memory;
    std::int64_t first_col, cols;
  };
  static constexpr float kGap = 1234.5f;  // in an i32 matrix, its bits

  template <class F>
  View store(std::int64_t rows, std::int64_t cols, F&& value) {
    std::vector<float> host(static_cast<std::size_t>(rows * cols));
    for (float& x : host) x = value();
    const View v = place(rows, cols, DType::f32);
    upload(*ctx, host.data(), v.size(), v);
    return v;
  }
  View flat_ints(const std::vector<std::int32_t>& values) {
    const bool strided = std::exchange(strided_, false);
    const View v = ints(1, static_cast<std::int64_t>(values.size()), values);
    strided_ = strided;
    return v;
  }
  // A matrix surrounded by values that no result may contain: rows of NaN after it and, if
  // `strided`, columns of kGap on both sides.
  View place(std::int64_t rows, std::int64_t cols, DType dtype) {
    const std::int64_t before = strided_ ? 3 : 0, after = strided_ ? 2 : 0;
    const std::int64_t capacity = (rows + kRowRounding - 1) / kRowRounding * kRowRounding;
    placed_.push_back({Tensor(*ctx, capacity, before + cols + after, dtype), before, cols});
    View whole = placed_.back().memory.view();
    View gaps = whole;
    gaps.dtype = DType::f32;
    fill(*ctx, kGap, gaps);
    fill(*ctx, std::numeric_limits<float>::quiet_NaN(),
         gaps.slice_rows(rows, capacity - rows).slice_cols(before, cols));
    return whole.slice_rows(0, rows).slice_cols(before, cols);
  }
  // Columns next to a view must not be written. The rows after it may be.
  std::string broken_gaps() const {
    for (std::size_t i = 0; i < placed_.size(); ++i) {
      const Placed& placed = placed_[i];
      View whole = placed.memory.view();
      whole.dtype = DType::f32;
      const Reals values = reals(whole);
      for (std::int64_t r = 0; r < values.rows; ++r)
        for (std::int64_t c = 0; c < values.cols; ++c) {
          const bool inside = c >= placed.first_col && c < placed.first_col + placed.cols;
          if (!inside && values(r, c) != static_cast<double>(kGap))
            return "view " + std::to_string(i) + ", row " + std::to_string(r) +
                   ": changed next to a view";
        }
    }
    return "";
  }

  bool strided_;
  Rng rng_{7};
  std::vector<Placed> placed_;
};

// Each combination of threads and layout.
inline Machine any_machine() {
  const int threads = GENERATE(1, 2, 3);
  const bool strided = GENERATE(false, true);
  CAPTURE(threads, strided);
  return Machine(threads, strided);
}

}  // namespace switchyard
