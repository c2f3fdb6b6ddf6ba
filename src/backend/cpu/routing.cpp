// SPDX-License-Identifier: Apache-2.0
// The router: each token's expert, its slot among the expert's rows, and the losses that keep the
// experts' loads even. Switch Transformer, arXiv 2101.03961.
#include "simd/routing.h"

#include "simd/rows.h"
#include "src/backend/cpu/views.h"
#include "src/backend/cpu/weight_bf16.h"

namespace switchyard {

using cpu::any;
using cpu::f32;
using cpu::for_rows;
using cpu::from;
using cpu::i32;

namespace {

// Each expert's first slot is a multiple of this.
std::int64_t slot_rounding(const Context& ctx) {
  return ctx.compute_type == DType::bf16 && !cpu::takes_any_rows(ctx) ? cpu::kBf16Rounding : 1;
}

// Assigns slots by a stable counting sort of the kept tokens. A few integer operations per token
// are not worth multithreading.
void assign_slots(Context& ctx, const Capacity& capacity, const Ragged& tokens, Routing& routing) {
  const std::int64_t num_tokens = routing.probs.rows, num_experts = routing.probs.cols;
  ArenaScope scope(ctx.scratch);
  auto* kept = cpu::scratch_array<std::int32_t>(ctx, num_experts);    // tokens kept so far
  auto* before = cpu::scratch_array<std::int32_t>(ctx, num_experts);  // kept before the group
  std::int32_t* count = i32(routing.expert_count).data;
  std::int32_t* offset = i32(routing.expert_offsets).data;
  std::fill(kept, kept + num_experts, 0);
  std::fill(before, before + num_experts, 0);
  std::fill(count, count + num_experts, 0);

  const std::int64_t limit = capacity.rule == Capacity::kUnlimited ? num_tokens : capacity.tokens;
  const bool by_sequence = capacity.rule == Capacity::kPerSequence;
  const std::int64_t groups = by_sequence ? tokens.batch : 1;
  for (std::int64_t g = 0; g < groups; ++g) {
    const std::int64_t begin = by_sequence ? i32(tokens.offsets).data[g] : 0;
    const std::int64_t end = by_sequence ? i32(tokens.offsets).data[g + 1] : num_tokens;
    std::copy(kept, kept + num_experts, before);
    for (std::int64_t t = begin; t < end; ++t) {
      const std::int32_t e = *i32(routing.expert_index)[t];
      ++count[e];
      const bool keep = kept[e] - before[e] < limit;
      *i32(routing.slot_of_token)[t] = keep ? kept[e]++ : -1;  // rank within the expert, for now
    }
  }
  const auto rounding = static_cast<std::int32_t>(slot_rounding(ctx));
  offset[0] = 0;
  for (std::int64_t e = 0; e < num_experts; ++e)
    offset[e + 1] = offset[e] + (kept[e] + rounding - 1) / rounding * rounding;
  assert(offset[num_experts] <= routing.token_of_slot.rows);

  for (std::int64_t s = 0; s < routing.token_of_slot.rows; ++s) *i32(routing.token_of_slot)[s] = -1;
  std::int32_t dropped = 0;
  for (std::int64_t t = 0; t < num_tokens; ++t) {
    std::int32_t& slot = *i32(routing.slot_of_token)[t];
    if (slot < 0) {
      ++dropped;
      continue;
    }
    slot += offset[*i32(routing.expert_index)[t]];
    *i32(routing.token_of_slot)[slot] = static_cast<std::int32_t>(t);
  }
  *i32(routing.dropped).data = dropped;
}

}  // namespace

std::int64_t slot_count(const Context& ctx, std::int64_t tokens, std::int64_t num_experts) {
  return tokens + num_experts * (slot_rounding(ctx) - 1);
}

void route(Context& ctx, ConstView logits, Capacity capacity, const Ragged& tokens,
           Routing& routing) {
  for_rows(ctx, logits.rows, logits.cols, [&](std::int64_t first, std::int64_t count) {
    simd::top1_route(count, logits.cols, from(f32(logits), first), from(f32(routing.probs), first),
                     from(f32(routing.logsumexp), first), from(i32(routing.expert_index), first),
                     from(f32(routing.combine_weight), first));
  });
  assign_slots(ctx, capacity, tokens, routing);
}

void router_statistics(Context& ctx, const Routing& routing, View statistics) {
  const std::int64_t tokens = routing.probs.rows, num_experts = routing.probs.cols;
  float* out = f32(statistics).data;
  out[0] = out[1] = 0;
  out[2] = static_cast<float>(*i32(routing.dropped).data);
  std::copy_n(i32(routing.expert_count).data, num_experts, out + 3);
  if (tokens == 0) return;

  ArenaScope scope(ctx.scratch);
  auto* prob_sum = cpu::scratch_array<float>(ctx, num_experts);
  std::fill(prob_sum, prob_sum + num_experts, 0.0f);
  cpu::sum_row_blocks(ctx, tokens, num_experts, prob_sum,
                      [&](std::int64_t first, std::int64_t count, float* partial) {
                        simd::add_column_sums(count, num_experts, from(f32(routing.probs), first),
                                              partial);
                      });
  const auto n = static_cast<double>(tokens);
  double balance = 0, z = 0;
  for (std::int64_t e = 0; e < num_experts; ++e)
    balance += i32(routing.expert_count).data[e] / n * (static_cast<double>(prob_sum[e]) / n);
  for (std::int64_t t = 0; t < tokens; ++t) {
    const double logsumexp = *f32(routing.logsumexp)[t];
    z += logsumexp * logsumexp;
  }
  out[0] = static_cast<float>(static_cast<double>(num_experts) * balance);
  out[1] = static_cast<float>(z / n);
}

void router_backward(Context& ctx, const Routing& routing, ConstView grad_combine_weight,
                     RouterLossCoefs coefs, View grad_logits) {
  const std::int64_t tokens = routing.probs.rows, num_experts = routing.probs.cols;
  if (tokens == 0) return;
  ArenaScope scope(ctx.scratch);
  auto* grad_probs = cpu::scratch_array<float>(ctx, num_experts);
  const float n = static_cast<float>(tokens);
  for (std::int64_t e = 0; e < num_experts; ++e) {
    const float fraction = static_cast<float>(i32(routing.expert_count).data[e]) / n;
    grad_probs[e] = coefs.aux * static_cast<float>(num_experts) * fraction / n;
  }
  for_rows(ctx, tokens, num_experts, [&](std::int64_t first, std::int64_t count) {
    simd::router_backward(
        count, num_experts, from(f32(routing.probs), first), from(f32(routing.logsumexp), first),
        from(i32(routing.expert_index), first), from(f32(grad_combine_weight), first), grad_probs,
        2 * coefs.z / n, from(f32(grad_logits), first));
  });
}

void combine_rows(Context& ctx, ConstView expert_out, const Routing& routing, View y) {
  for_rows(ctx, y.rows, y.cols, [&](std::int64_t first, std::int64_t count) {
    simd::combine_rows(count, y.cols, any(expert_out), from(i32(routing.slot_of_token), first),
                       from(f32(routing.combine_weight), first), from(any(y), first));
  });
}

void combine_rows_backward(Context& ctx, ConstView dy, ConstView expert_out, const Routing& routing,
                           View grad_out, View grad_combine_weight) {
  for_rows(ctx, grad_out.rows, dy.cols, [&](std::int64_t first, std::int64_t count) {
    simd::combine_rows_grad_out(count, dy.cols, any(dy), from(i32(routing.token_of_slot), first),
                                f32(routing.combine_weight), from(any(grad_out), first));
  });
  for_rows(ctx, dy.rows, dy.cols, [&](std::int64_t first, std::int64_t count) {
    simd::combine_rows_grad_weight(count, dy.cols, from(any(dy), first), any(expert_out),
                                   from(i32(routing.slot_of_token), first),
                                   from(f32(grad_combine_weight), first));
  });
}

}  // namespace switchyard
