// SPDX-License-Identifier: Apache-2.0
#include "src/decode/greedy.h"

#include <cmath>
#include <numeric>

#include "src/core/error.h"
#include "src/nn/decoder_state.h"

namespace switchyard {

std::vector<NBest> greedy_search(Context& ctx, const Model& model, const std::vector<Ids>& sources,
                                 const SearchOptions& options) {
  const ModelConfig& config = model.config();
  const auto eos = static_cast<std::int32_t>(config.eos_token_id);

  DecoderState state(ctx, model);
  DecoderState::Step step;
  step.slots = state.admit(sources, 1, options.capacity);
  Ids& tokens = step.tokens;
  tokens.assign(sources.size(), static_cast<std::int32_t>(config.decoder_start_token_id));
  std::vector<NBest> result(sources.size(), NBest(1));
  std::vector<std::size_t> live(sources.size());  // sentences still searched, in row order
  std::iota(live.begin(), live.end(), std::size_t{0});

  std::vector<float> log_prob;
  for (std::int64_t length = 1; !live.empty(); ++length) {
    const View logits = state.step(step).logits;
    // The first step's probabilities are always looked at: they show a single logit that is not
    // finite, too.
    const bool scores = options.scores || length == 1;
    {
      ArenaScope scope(ctx.scratch);
      const View token = ctx.scratch.make(logits.rows, 1, DType::i32);
      const View log_probs = scores ? ctx.scratch.make(logits.rows, 1) : View();
      argmax_rows(ctx, logits, options.suppressed_id, token, log_probs);
      download(ctx, token, tokens.data(), token.size());
      if (scores) {
        log_prob.resize(tokens.size());
        download(ctx, log_probs, log_prob.data(), log_probs.size());
      }
    }

    std::size_t still_live = 0;
    for (std::size_t i = 0; i < live.size(); ++i) {
      check(tokens[i] >= 0 && (!scores || std::isfinite(log_prob[i])), ErrorKind::kData,
            "the model's logits are not finite");
      Hypothesis& h = result[live[i]][0];
      h.ids.push_back(tokens[i]);
      if (options.scores) h.score += log_prob[i];
      if (tokens[i] == eos || length == options.max_new_tokens) {
        state.release(step.slots[i]);
        continue;
      }
      live[still_live] = live[i];
      tokens[still_live] = tokens[i];
      step.slots[still_live++] = step.slots[i];
    }
    live.resize(still_live);
    tokens.resize(still_live);
    step.slots.resize(still_live);
  }

  if (options.scores) {
    for (NBest& n_best : result) {
      Hypothesis& h = n_best[0];
      h.score = normalised_score(h.score, static_cast<std::int64_t>(h.ids.size()), options);
    }
  }
  return result;
}

}  // namespace switchyard
