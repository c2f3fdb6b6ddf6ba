// SPDX-License-Identifier: Apache-2.0
#include "src/nn/target_log_probs.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "src/core/error.h"

namespace switchyard {

namespace {

constexpr std::int64_t kBlockRows = 256;

// The log-softmax of one element, summed in double.
float log_prob(std::span<const float> logits, std::int32_t id) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += double{std::exp(x - largest)};
  const float of_id = logits[static_cast<std::size_t>(id)];
  return static_cast<float>(double{of_id} - double{largest} - std::log(sum));
}

}  // namespace

std::vector<std::vector<float>> target_log_probs(Context& ctx, const Model& model,
                                                 const HostBatch& host,
                                                 const CapacityOptions& capacity) {
  const ArenaScope saved(ctx.saved);
  const ArenaScope scratch(ctx.scratch);
  const Batch batch = upload_batch(ctx, ctx.saved, host, model.config());
  Pass pass;
  pass.capacity = capacity;
  Stack::Saved encoder_saved, decoder_saved;
  const States memory{
      model.encoder.forward(ctx, pass, batch.source_ids, batch.source, nullptr, encoder_saved),
      batch.source};
  const View states =
      model.decoder.forward(ctx, pass, batch.target_ids, batch.target, &memory, decoder_saved);
  const View h = ctx.saved.make(states.rows, states.cols, states.dtype);
  scale(ctx, model.head_scale(), states, h);

  Ids labels;
  for (const Ids& target : host.target) labels.insert(labels.end(), target.begin(), target.end());
  std::vector<float> flat;
  flat.reserve(labels.size());
  std::vector<float> logits;
  const std::int64_t vocab_size = model.config().vocab_size;
  const auto vocab = static_cast<std::size_t>(vocab_size);
  for (std::int64_t first = 0; first < h.rows; first += kBlockRows) {
    const ArenaScope block(ctx.scratch);
    const std::int64_t rows = std::min(kBlockRows, h.rows - first);
    const View y = ctx.scratch.make(rows, vocab_size);
    linear(ctx, h.slice_rows(first, rows), model.head().weight, y);
    logits.resize(static_cast<std::size_t>(y.size()));
    download(ctx, y, logits.data(), y.size());
    for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r)
      flat.push_back(log_prob(std::span(logits).subspan(r * vocab, vocab), labels[flat.size()]));
  }
  check(std::all_of(flat.begin(), flat.end(), [](float x) { return std::isfinite(x); }),
        ErrorKind::kData, "the model's logits are not finite");

  std::vector<std::vector<float>> result;
  result.reserve(host.target.size());
  auto next = flat.begin();
  for (const Ids& target : host.target) {
    const auto end = next + static_cast<std::ptrdiff_t>(target.size());
    result.emplace_back(next, end);
    next = end;
  }
  return result;
}

}  // namespace switchyard
