// SPDX-License-Identifier: Apache-2.0
#include "simd/cross_entropy.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/cross_entropy.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/softmax-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

HWY_INLINE float sum_of(std::int64_t n, const float* x) {
  return sum_over(n, [&](V sum, std::size_t i, auto chunk)
                         HWY_ATTR { return hn::Add(sum, chunk.load(x + i)); });
}

// Sums f(columns, offset of the first) over the blocks of a row.
template <class F>
HWY_INLINE float sum_blocks(const LogitBlocks& shape, std::int64_t row, F&& f) {
  float sum = 0;
  for (std::int64_t b = 0; b < shape.count(); ++b) sum += f(shape.cols(b), shape.offset(row, b));
  return sum;
}

HWY_INLINE float max_of(const LogitBlocks& shape, std::int64_t row, const float* logits) {
  float max = -std::numeric_limits<float>::infinity();
  for (std::int64_t b = 0; b < shape.count(); ++b)
    max = std::max(max, row_max(shape.cols(b), logits + shape.offset(row, b)));
  return max;
}

HWY_INLINE double mean_of(const LogitBlocks& shape, std::int64_t row, const float* logits) {
  const float total = sum_blocks(shape, row, [&](std::int64_t cols, std::int64_t at) HWY_ATTR {
    return sum_of(cols, logits + at);
  });
  return static_cast<double>(total) / static_cast<double>(shape.vocab);
}

HWY_INLINE std::int64_t index_of(const LogitBlocks& shape, std::int64_t row, std::int32_t label) {
  return shape.offset(row, label / shape.width) + label % shape.width;
}

// The loss, given a row's largest logit, sum of exp(logit - max), label logit and mean logit.
TokenLoss token_loss(float max, float exp_total, float label_logit, double mean_logit,
                     float smoothing) {
  const double logsumexp = static_cast<double>(max) + std::log(static_cast<double>(exp_total));
  const double nll = logsumexp - static_cast<double>(label_logit);
  const double eps = static_cast<double>(smoothing);
  return {(1 - eps) * nll + eps * (logsumexp - mean_logit), nll};
}

void cross_entropy(const LogitBlocks& shape, std::int64_t first, std::int64_t count,
                   const float* logits, IndexIn labels, float smoothing, TokenLoss* losses) {
  for (std::int64_t r = first; r < first + count; ++r) {
    const float max = max_of(shape, r, logits);
    const double mean = smoothing == 0 ? 0 : mean_of(shape, r, logits);
    const float exp_total = sum_blocks(shape, r, [&](std::int64_t cols, std::int64_t at) HWY_ATTR {
      return exp_sum(cols, logits + at, max);
    });
    losses[r] = token_loss(max, exp_total, logits[index_of(shape, r, *labels[r])], mean, smoothing);
  }
}

template <class G>
void gradient_typed(const LogitBlocks& shape, std::int64_t first, std::int64_t count, float* logits,
                    IndexIn labels, float smoothing, float grad_scale, TokenLoss* losses, G* grad) {
  const V off_label = hn::Set(f32, grad_scale * smoothing / static_cast<float>(shape.vocab));
  for (std::int64_t r = first; r < first + count; ++r) {
    float& of_label = logits[index_of(shape, r, *labels[r])];
    const float label_logit = of_label;
    const float max = max_of(shape, r, logits);
    const double mean = smoothing == 0 ? 0 : mean_of(shape, r, logits);
    const float exp_total = sum_blocks(shape, r, [&](std::int64_t cols, std::int64_t at) HWY_ATTR {
      return exp_and_sum(cols, logits + at, max, logits + at);
    });
    losses[r] = token_loss(max, exp_total, label_logit, mean, smoothing);
    // The label's term is scaled by exp_total as well, so that its gradient is rounded once.
    of_label -= (1 - smoothing) * exp_total;
    const V factor = hn::Set(f32, grad_scale / exp_total);
    for (std::int64_t b = 0; b < shape.count(); ++b) {
      const float* from = logits + shape.offset(r, b);
      G* to = grad + shape.offset(r, b);
      each_vector(shape.cols(b), [&](std::size_t i, auto chunk) HWY_ATTR {
        chunk.store(hn::MulSub(chunk.load(from + i), factor, off_label), to + i);
      });
    }
  }
}

void cross_entropy_gradient(const LogitBlocks& shape, std::int64_t first, std::int64_t count,
                            float* logits, IndexIn labels, float smoothing, float grad_scale,
                            TokenLoss* losses, AnyOut grad) {
  with_rows(grad, [&](auto to) {
    gradient_typed(shape, first, count, logits, labels, smoothing, grad_scale, losses, to.data);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(cross_entropy);
decltype(cross_entropy) cross_entropy = dispatch<HWY_DISPATCH_TABLE(cross_entropy)>;
HWY_EXPORT(cross_entropy_gradient);
decltype(cross_entropy_gradient) cross_entropy_gradient =
    dispatch<HWY_DISPATCH_TABLE(cross_entropy_gradient)>;

}  // namespace switchyard::simd
#endif
