// SPDX-License-Identifier: Apache-2.0
// The optimizer's step over a flat range.
#pragma once

#include <cstdint>

namespace switchyard::simd {

// AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), bias-corrected as in PyTorch:
//   g *= grad_scale;  m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
//   p -= lr * (weight_decay * p + m_hat / (sqrt(v_hat) + eps));  g is then cleared
struct AdamW {
  float lr = 0, beta1 = 0, beta2 = 0, eps = 0, weight_decay = 0;
  std::int64_t step = 1;  // from 1, for the bias correction
  float grad_scale = 1;   // clipping
};
extern void (*const adamw)(std::int64_t n, const AdamW& options, float* grad, float* m, float* v,
                           float* param);

}  // namespace switchyard::simd
