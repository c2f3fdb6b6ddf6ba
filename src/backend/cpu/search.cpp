// SPDX-License-Identifier: Apache-2.0
// Argmax and top k over rows of logits.
#include "simd/top_k.h"
#include "src/backend/cpu/views.h"

namespace switchyard {

using cpu::f32;
using cpu::from;
using cpu::i32;

void argmax_rows(Context& ctx, ConstView logits, std::int32_t suppressed, View token,
                 View log_prob) {
  cpu::for_rows(ctx, logits.rows, logits.cols, [&](std::int64_t first, std::int64_t count) {
    simd::argmax(count, logits.cols, from(f32(logits), first), suppressed, from(i32(token), first),
                 from(f32(log_prob), first));
  });
}

void top_k_rows(Context& ctx, ConstView logits, ConstView score, const TopK& options, View values,
                View index) {
  const std::int64_t beams = options.beams, groups = logits.rows / beams;
  cpu::for_rows(ctx, groups, beams * logits.cols, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t g = first; g < first + count; ++g)
      simd::top_k(beams, logits.cols, from(f32(logits), g * beams), from(f32(score), g * beams),
                  options.k, options.suppressed, f32(values)[g], i32(index)[g]);
  });
}

}  // namespace switchyard
