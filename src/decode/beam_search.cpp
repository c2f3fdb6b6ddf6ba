// SPDX-License-Identifier: Apache-2.0
#include "src/decode/beam_search.h"

#include <cmath>
#include <limits>
#include <numeric>
#include <span>

#include "src/core/error.h"
#include "src/decode/beam.h"
#include "src/nn/decoder_state.h"

namespace switchyard {

std::vector<NBest> beam_search(Context& ctx, const Model& model, const std::vector<Ids>& sources,
                               const SearchOptions& options) {
  const ModelConfig& config = model.config();
  const auto eos = static_cast<std::int32_t>(config.eos_token_id);
  // Candidates are numbered beam by beam in 32 bits (top_k_rows).
  check(options.num_beams * config.vocab_size <= std::numeric_limits<std::int32_t>::max(),
        ErrorKind::kUsage, "beam size: ", options.num_beams, ", expected at most ",
        std::numeric_limits<std::int32_t>::max() / config.vocab_size, " for a vocabulary of ",
        config.vocab_size);
  const auto beams = static_cast<std::size_t>(options.num_beams);
  const auto k = static_cast<std::size_t>(Beam::candidates(options));

  DecoderState state(ctx, model);
  DecoderState::Step step;
  step.slots = state.admit(sources, options.num_beams, options.capacity);
  std::vector<Beam> beam(sources.size(), Beam(options, config.vocab_size, eos));
  std::vector<std::size_t> live(sources.size());  // sentences still searched, in row order
  std::iota(live.begin(), live.end(), std::size_t{0});
  step.tokens.assign(sources.size() * beams,
                     static_cast<std::int32_t>(config.decoder_start_token_id));

  std::vector<NBest> result(sources.size());
  std::vector<float> value;
  std::vector<std::int32_t> index;
  while (!live.empty()) {
    step.scores.clear();
    for (const std::size_t s : live)
      step.scores.insert(step.scores.end(), beam[s].score().begin(), beam[s].score().end());
    value.resize(live.size() * k);
    index.resize(live.size() * k);
    const auto [logits, scores] = state.step(step);
    {
      ArenaScope scope(ctx.scratch);
      const auto sentences = static_cast<std::int64_t>(live.size());
      const auto columns = static_cast<std::int64_t>(k);
      const View values = ctx.scratch.make(sentences, columns);
      const View indices = ctx.scratch.make(sentences, columns, DType::i32);
      const TopK top_k{
          .beams = options.num_beams, .k = columns, .suppressed = options.suppressed_id};
      top_k_rows(ctx, logits, scores, top_k, values, indices);
      download(ctx, values, value.data(), values.size());
      download(ctx, indices, index.data(), indices.size());
    }

    step.tokens.clear();
    std::vector<std::size_t> still_live;
    std::vector<std::int32_t> slots;
    for (std::size_t i = 0; i < live.size(); ++i) {
      const std::span values(value.data() + i * k, k);
      check(std::isfinite(values[0]), ErrorKind::kData, "the model's logits are not finite");
      Beam& b = beam[live[i]];
      b.advance(values, std::span(index.data() + i * k, k));
      if (b.done()) {
        result[live[i]] = b.best(options.num_return_sequences);
        state.release(step.slots[i]);
        continue;
      }
      still_live.push_back(live[i]);
      slots.push_back(step.slots[i]);
      step.tokens.insert(step.tokens.end(), b.token().begin(), b.token().end());
      state.reorder(slots.back(), b.parent());
    }
    live = std::move(still_live);
    step.slots = std::move(slots);
  }
  return result;
}

}  // namespace switchyard
