// SPDX-License-Identifier: Apache-2.0
#include "src/nn/relative_bias.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace switchyard {

std::int64_t relative_position_bucket(std::int64_t relative_position, bool bidirectional,
                                      std::int64_t num_buckets, std::int64_t max_distance) {
  std::int64_t first = 0;
  std::int64_t distance = std::max<std::int64_t>(-relative_position, 0);
  if (bidirectional) {
    num_buckets /= 2;
    if (relative_position > 0) first = num_buckets;
    distance = std::abs(relative_position);
  }
  const std::int64_t exact = num_buckets / 2;
  if (distance < exact) return first + distance;
  // Rounded to f32 wherever Hugging Face computes in f32, so that distances on a bucket boundary
  // fall into the same bucket.
  const float ratio = static_cast<float>(distance) / static_cast<float>(exact);
  const float log_ratio = static_cast<float>(std::log(static_cast<double>(ratio)));
  const float log_range =
      static_cast<float>(std::log(static_cast<double>(max_distance) / static_cast<double>(exact)));
  const float steps = log_ratio / log_range * static_cast<float>(num_buckets - exact);
  return first + std::min(num_buckets - 1, exact + static_cast<std::int64_t>(steps));
}

RelativeBias::RelativeBias(std::string name, bool bidirectional_, std::int64_t num_buckets,
                           std::int64_t max_distance_, std::int64_t num_heads, float hf_std)
    : bidirectional(bidirectional_), max_distance(max_distance_) {
  table.name = std::move(name);
  table.rows = num_buckets;
  table.cols = num_heads;
  table.init = {.std = hf_std, .hf_std = hf_std};
  table.lookup = true;
}

RelativeBias::Expanded RelativeBias::forward(Context& ctx, std::int64_t max_len) const {
  Expanded s;
  s.center = max_len - 1;
  const std::int64_t distances = 2 * s.center + 1;
  std::vector<std::int32_t> bucket(static_cast<std::size_t>(distances));
  for (std::int64_t i = 0; i < distances; ++i)
    bucket[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(
        relative_position_bucket(i - s.center, bidirectional, table.rows, max_distance));
  const View on_backend = ctx.saved.make_row(distances, DType::i32);
  upload(ctx, bucket.data(), distances, on_backend);
  const View bias = ctx.saved.make(table.cols, distances);
  expand_bias(ctx, table.weight.value, on_backend, bias);
  s.bucket = on_backend;
  s.bias = bias;
  return s;
}

void RelativeBias::backward(Context& ctx, ConstView grad_bias, const Expanded& s,
                            const ParamBuffer& grads) const {
  expand_bias_backward(ctx, grad_bias, s.bucket, grads[table]);
}

}  // namespace switchyard
