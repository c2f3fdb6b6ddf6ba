// SPDX-License-Identifier: Apache-2.0
#include "src/nn/loss.h"

#include <algorithm>

namespace switchyard {

namespace {

constexpr std::int64_t kSums = 2;  // loss_sum and nll_sum, the first columns of the statistics

// A stack's part of the statistics; the decoder's follows the encoder's.
View router_statistics_of(StackKind stack, const View& statistics, const ModelConfig& config) {
  const std::int64_t size = router_statistics_size(config.num_experts);
  const auto layers = [](const std::vector<bool>& sparse) {
    return std::count(sparse.begin(), sparse.end(), true);
  };
  const std::int64_t in_encoder = layers(config.encoder_sparse);
  const std::int64_t first = kSums + (stack == StackKind::decoder ? in_encoder * size : 0);
  const std::int64_t count =
      stack == StackKind::decoder ? layers(config.decoder_sparse) : in_encoder;
  return statistics.slice_cols(first, count * size);
}

}  // namespace

std::int64_t loss_statistics_size(const ModelConfig& config) {
  return kSums + config.sparse_count() * router_statistics_size(config.num_experts);
}

void forward_backward(Context& ctx, const Model& model, const HostBatch& host, const Pass& pass,
                      const LossOptions& options, const LossOutputs& out) {
  PhaseClock clock;
  const auto end = [&](Phase phase) {
    if (out.seconds) clock.end(phase, *out.seconds);
  };
  const ParamBuffer* const grads = out.grads;
  const ArenaScope saved(ctx.saved);
  const ArenaScope scratch(ctx.scratch);
  const Batch batch = upload_batch(ctx, ctx.saved, host, model.config());

  Pass kept = pass;
  kept.keep = grads != nullptr;
  Stack::Saved encoder_saved, decoder_saved;
  kept.router_statistics = router_statistics_of(StackKind::encoder, out.statistics, model.config());
  const States memory{
      model.encoder.forward(ctx, kept, batch.source_ids, batch.source, nullptr, encoder_saved),
      batch.source};
  end(Phase::encoder_forward);
  kept.router_statistics = router_statistics_of(StackKind::decoder, out.statistics, model.config());
  const View states =
      model.decoder.forward(ctx, kept, batch.target_ids, batch.target, &memory, decoder_saved);
  const View h = ctx.saved.make(states.rows, states.cols, states.dtype);
  scale(ctx, model.head_scale(), states, h);
  end(Phase::decoder_forward);

  const View sums = out.statistics.slice_cols(0, kSums);
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
  end(Phase::loss);
  if (!grads) return;
  const View dh = head_grads.dh;
  const RouterLossCoefs coefs{options.router_scale * options.router_aux_loss_coef,
                              options.router_scale * options.router_z_loss_coef};
  scale(ctx, model.head_scale(), dh, dh);
  const View grad_memory = ctx.scratch.make(memory.x.rows, memory.x.cols);
  fill(ctx, 0, grad_memory);
  model.decoder.backward(ctx, dh, decoder_saved,
                         {.params = *grads, .coefs = coefs, .memory = grad_memory});
  end(Phase::decoder_backward);
  model.encoder.backward(ctx, grad_memory, encoder_saved, {.params = *grads, .coefs = coefs});
  end(Phase::encoder_backward);
}

LossResult read_statistics(const ModelConfig& config, const float* statistics) {
  LossResult result;
  result.loss_sum = double{statistics[0]};
  result.nll_sum = double{statistics[1]};
  const auto layers = static_cast<std::size_t>(config.sparse_count());
  result.router_aux_loss.reserve(layers);
  result.router_z_loss.reserve(layers);
  result.dropped.reserve(layers);
  result.expert_count.reserve(layers);
  const float* next = statistics + kSums;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    result.router_aux_loss.push_back(next[0]);
    result.router_z_loss.push_back(next[1]);
    result.dropped.push_back(static_cast<std::int64_t>(next[2]));
    result.expert_count.emplace_back(next + 3, next + 3 + config.num_experts);
    next += router_statistics_size(config.num_experts);
  }
  return result;
}

LossResult compute_loss(Context& ctx, const Model& model, const HostBatch& batch, const Pass& pass,
                        const LossOptions& options, const ParamBuffer* grads) {
  const ArenaScope scratch(ctx.scratch);
  const View statistics = ctx.scratch.make_row(loss_statistics_size(model.config()));
  PhaseSeconds seconds{};
  forward_backward(ctx, model, batch, pass, options, {grads, statistics, &seconds});
  std::vector<float> host(static_cast<std::size_t>(statistics.cols));
  download(ctx, statistics, host.data(), statistics.cols);
  LossResult result = read_statistics(model.config(), host.data());
  result.target_tokens = batch.target_tokens();
  result.seconds = seconds;
  return result;
}

}  // namespace switchyard
