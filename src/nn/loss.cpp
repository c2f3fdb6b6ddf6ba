// SPDX-License-Identifier: Apache-2.0
#include "src/nn/loss.h"

namespace switchyard {

namespace {

// Brings the sparse layers' losses and counts to the host.
void read_routers(Context& ctx, const Stack::Saved& s, LossResult& result) {
  for (const RouterStats& router : s.routers) {
    float losses[2];
    download(ctx, router.losses, losses, 2);
    result.router_aux_loss.push_back(losses[0]);
    result.router_z_loss.push_back(losses[1]);
    const std::int64_t num_experts = router.expert_count.cols;
    std::vector<std::int32_t> count(static_cast<std::size_t>(num_experts));
    download(ctx, router.expert_count, count.data(), num_experts);
    result.expert_count.push_back(std::move(count));
    std::int32_t dropped;
    download(ctx, router.dropped, &dropped, 1);
    result.dropped.push_back(dropped);
  }
}

}  // namespace

LossResult compute_loss(Context& ctx, const Model& model, const HostBatch& host, const Pass& pass,
                        const LossOptions& options, const ParamBuffer* grads) {
  PhaseClock clock;
  LossResult result;
  const ArenaScope saved(ctx.saved);
  const ArenaScope scratch(ctx.scratch);
  const Batch batch = upload_batch(ctx, ctx.saved, host, model.config());

  Pass kept = pass;
  kept.keep = grads != nullptr;
  kept.router_stats = true;
  Stack::Saved encoder_saved, decoder_saved;
  const States memory{
      model.encoder.forward(ctx, kept, batch.source_ids, batch.source, nullptr, encoder_saved),
      batch.source};
  clock.end(Phase::encoder_forward, result.seconds);
  const View states =
      model.decoder.forward(ctx, kept, batch.target_ids, batch.target, &memory, decoder_saved);
  const View h = ctx.saved.make(states.rows, states.cols, states.dtype);
  scale(ctx, model.head_scale(), states, h);
  clock.end(Phase::decoder_forward, result.seconds);

  const View sums = ctx.scratch.make_row(2);
  fill(ctx, 0, sums);
  const CrossEntropyCall cross_entropy{.h = h,
                                       .head = &model.head().weight,
                                       .labels = batch.labels,
                                       .label_smoothing = options.label_smoothing,
                                       .grad_scale = options.ce_scale};
  CrossEntropyGrads head_grads;
  if (grads)
    head_grads = {.dh = ctx.scratch.make(h.rows, h.cols), .grad_head = (*grads)[model.head()]};
  linear_cross_entropy(ctx, cross_entropy, sums, head_grads);
  clock.end(Phase::loss, result.seconds);
  if (grads) {
    const RouterLossCoefs coefs{options.router_scale * options.router_aux_loss_coef,
                                options.router_scale * options.router_z_loss_coef};
    scale(ctx, model.head_scale(), head_grads.dh, head_grads.dh);
    const View grad_memory = ctx.scratch.make(memory.x.rows, memory.x.cols);
    fill(ctx, 0, grad_memory);
    model.decoder.backward(ctx, head_grads.dh, decoder_saved,
                           {.params = *grads, .coefs = coefs, .memory = grad_memory});
    clock.end(Phase::decoder_backward, result.seconds);
    model.encoder.backward(ctx, grad_memory, encoder_saved, {.params = *grads, .coefs = coefs});
    clock.end(Phase::encoder_backward, result.seconds);
  }

  float host_sums[2];
  download(ctx, sums, host_sums, 2);
  result.loss_sum = double{host_sums[0]};
  result.nll_sum = double{host_sums[1]};
  result.target_tokens = batch.target.tokens;
  read_routers(ctx, encoder_saved, result);
  read_routers(ctx, decoder_saved, result);
  return result;
}

}  // namespace switchyard
