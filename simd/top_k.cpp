// SPDX-License-Identifier: Apache-2.0
#include "simd/top_k.h"

#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/top_k.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

// A row without one id is two ranges: the ids before it and those after.
struct Range {
  std::int64_t first, count;
};
struct Ranges {
  Range part[2];
};
HWY_INLINE Ranges without(std::int64_t vocab, std::int32_t suppressed) {
  if (suppressed < 0 || suppressed >= vocab) return {{{0, vocab}, {vocab, 0}}};
  return {{{0, suppressed}, {suppressed + 1, vocab - suppressed - 1}}};
}

HWY_INLINE float logsumexp(std::int64_t n, const float* x) {
  const float max = row_max(n, x);
  return max + std::log(exp_sum(n, x, max));
}

void argmax(std::int64_t rows, std::int64_t vocab, In logits, std::int32_t suppressed,
            IndexOut token, Out log_prob) {
  const Ranges ranges = without(vocab, suppressed);
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* row = logits[r];
    std::int64_t best = -1;
    float best_logit = -std::numeric_limits<float>::infinity();
    for (const Range& range : ranges.part) {
      const float max = row_max(range.count, row + range.first);
      if (!(max > best_logit)) continue;
      best_logit = max;
      best = range.first + first_index_of(range.count, row + range.first, max);
    }
    *token[r] = std::isfinite(best_logit) ? static_cast<std::int32_t>(best) : -1;
    if (log_prob) *log_prob[r] = best_logit - logsumexp(vocab, row);
  }
}

// The best candidates so far, best first.
struct Best {
  std::int64_t k;
  std::int64_t count;
  float* values;
  std::int32_t* index;

  float threshold() const {
    return count < k ? -std::numeric_limits<float>::infinity() : values[k - 1];
  }

  // Inserts after equal values, since candidates arrive in index order.
  void offer(float value, std::int64_t id) {
    if (std::isnan(value)) value = -std::numeric_limits<float>::infinity();
    if (count == k && !(value > values[k - 1])) return;
    std::int64_t at = count < k ? count++ : k - 1;
    for (; at > 0 && value > values[at - 1]; --at) {
      values[at] = values[at - 1];
      index[at] = index[at - 1];
    }
    values[at] = value;
    index[at] = static_cast<std::int32_t>(id);
  }
};

void top_k(std::int64_t beams, std::int64_t vocab, In logits, In score, std::int64_t k,
           std::int32_t suppressed, float* values, std::int32_t* index) {
  const Ranges ranges = without(vocab, suppressed);
  const std::int64_t step = static_cast<std::int64_t>(lanes());
  Best best{k, 0, values, index};
  for (std::int64_t b = 0; b < beams; ++b) {
    const float* row = logits[b];
    const float lse = logsumexp(vocab, row), base = *score[b];
    for (const Range& range : ranges.part) {
      const std::int64_t end = range.first + range.count;
      std::int64_t v = range.first;
      while (v < end) {
        // Skip whole vectors without a candidate.
        if (best.count == k && v + step <= end) {
          const V log_prob = hn::Sub(hn::LoadU(f32, row + v), hn::Set(f32, lse));
          const V value = hn::Add(hn::Set(f32, base), log_prob);
          if (hn::AllFalse(f32, hn::Gt(value, hn::Set(f32, best.threshold())))) {
            v += step;
            continue;
          }
        }
        const std::int64_t stop = v + step < end ? v + step : end;
        for (; v < stop; ++v) best.offer(base + (row[v] - lse), b * vocab + v);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(argmax);
decltype(argmax) argmax = dispatch<HWY_DISPATCH_TABLE(argmax)>;
HWY_EXPORT(top_k);
decltype(top_k) top_k = dispatch<HWY_DISPATCH_TABLE(top_k)>;

}  // namespace switchyard::simd
#endif
