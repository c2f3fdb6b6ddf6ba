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

HWY_INLINE double mean_of(std::int64_t n, const float* x) {
  const float total = sum_over(n, [&](V sum, std::size_t i, auto chunk)
                                      HWY_ATTR { return hn::Add(sum, chunk.load(x + i)); });
  return static_cast<double>(total) / static_cast<double>(n);
}

// From a row's largest logit, its sum of exp(logit - max), the label's logit and the mean of all.
TokenLoss token_loss(float max, float exp_total, float label_logit, double mean_logit,
                     float smoothing) {
  const double logsumexp = static_cast<double>(max) + std::log(static_cast<double>(exp_total));
  const double nll = logsumexp - static_cast<double>(label_logit);
  const double eps = static_cast<double>(smoothing);
  return {(1 - eps) * nll + eps * (logsumexp - mean_logit), nll};
}

void cross_entropy(std::int64_t rows, std::int64_t vocab, In logits, IndexIn labels,
                   float smoothing, TokenLoss* losses) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* row = logits[r];
    const float max = row_max(vocab, row);
    const double mean = smoothing == 0 ? 0 : mean_of(vocab, row);
    losses[r] = token_loss(max, exp_sum(vocab, row, max), row[*labels[r]], mean, smoothing);
  }
}

template <class G>
void gradient_typed(std::int64_t rows, std::int64_t vocab, Out logits, IndexIn labels,
                    float smoothing, float grad_scale, TokenLoss* losses, Rows<G> grad) {
  const V off_label = hn::Set(f32, grad_scale * smoothing / static_cast<float>(vocab));
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = logits[r];
    const std::int32_t label = *labels[r];
    const float label_logit = row[label];
    const float max = row_max(vocab, row);
    const double mean = smoothing == 0 ? 0 : mean_of(vocab, row);
    const float exp_total = exp_and_sum(vocab, row, max, row);
    losses[r] = token_loss(max, exp_total, label_logit, mean, smoothing);
    // exp_total goes with the label too, so that its gradient is rounded once.
    row[label] -= (1 - smoothing) * exp_total;
    const V factor = hn::Set(f32, grad_scale / exp_total);
    G* to = grad[r];
    each_vector(vocab, [&](std::size_t i, auto chunk) HWY_ATTR {
      chunk.store(hn::MulSub(chunk.load(row + i), factor, off_label), to + i);
    });
  }
}

void cross_entropy_gradient(std::int64_t rows, std::int64_t vocab, Out logits, IndexIn labels,
                            float smoothing, float grad_scale, TokenLoss* losses, AnyOut grad) {
  with_rows(grad, [&](auto to) {
    gradient_typed(rows, vocab, logits, labels, smoothing, grad_scale, losses, to);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(cross_entropy);
HWY_EXPORT(cross_entropy_gradient);

void cross_entropy(std::int64_t rows, std::int64_t vocab, In logits, IndexIn labels,
                   float smoothing, TokenLoss* losses) {
  HWY_DYNAMIC_DISPATCH(cross_entropy)(rows, vocab, logits, labels, smoothing, losses);
}

void cross_entropy_gradient(std::int64_t rows, std::int64_t vocab, Out logits, IndexIn labels,
                            float smoothing, float grad_scale, TokenLoss* losses, AnyOut grad) {
  HWY_DYNAMIC_DISPATCH(cross_entropy_gradient)
  (rows, vocab, logits, labels, smoothing, grad_scale, losses, grad);
}

}  // namespace switchyard::simd
#endif
