// SPDX-License-Identifier: Apache-2.0
#include "src/app/text_embedder.h"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <cmath>
#include <utility>

#include "src/app/length_batches.h"
#include "src/core/error.h"
#include "src/nn/batch.h"

namespace switchyard {

namespace {

constexpr std::int64_t kBatchTokens = 4096;
// Tokens whose states are in memory at a time, of lines that are sorted by length.
constexpr std::int64_t kWindowTokens = 16384;

}  // namespace

TextEmbedder::TextEmbedder(const TextModel& model, const TextEmbedderOptions& options)
    : model_(model),
      options_(options),
      source_(model.tokenizer, model.model().config().vocab_size, options.source),
      team_(options.threads) {
  check(options.source.long_input != LongInput::kSplit, ErrorKind::kUsage,
        "a line that is split has no states of its own");
  check(model.compute_type == DType::f32, ErrorKind::kUsage, "states: model prepared in ",
        name_of(model.compute_type), ", expected float32");
  for (int i = 0; i < options.threads; ++i)
    contexts_.push_back(make_context({1, true, DType::f32}));
}

void TextEmbedder::embed(const std::vector<std::string>& lines, const Found& found) {
  for (std::size_t i = 0; i < lines.size();) {
    const std::int64_t first_line = source_.counts().lines + 1;
    std::vector<Ids> window;
    for (std::int64_t tokens = 0; i < lines.size() && tokens < kWindowTokens; ++i) {
      std::vector<Ids> parts = source_.encode(lines[i]);
      window.push_back(parts.empty() ? Ids{model_.tokenizer.eos_id()} : std::move(parts.front()));
      tokens += std::ssize(window.back());
      tokens_ += std::ssize(window.back());
    }
    const std::vector<States> states = states_of(window);
    model_.model().check_unchanged();
    for (std::size_t k = 0; k < states.size(); ++k) {
      check_finite(states[k], first_line + static_cast<std::int64_t>(k));
      found(states[k]);
    }
  }
  source_.warn_once_of_unknown_tokens();
}

std::vector<TextEmbedder::States> TextEmbedder::states_of(const std::vector<Ids>& sequences) {
  const Model& model = model_.model();
  const auto d_model = static_cast<std::size_t>(model.config().d_model);
  std::vector<std::int64_t> tokens;
  for (const Ids& ids : sequences) tokens.push_back(std::ssize(ids));
  const std::vector<std::vector<std::size_t>> batches = length_batches(tokens, kBatchTokens);
  std::vector<States> result(sequences.size());
  std::atomic<std::size_t> next = 0;
  team_.run(team_.threads(), [&](int worker) {
    Context& ctx = *contexts_[static_cast<std::size_t>(worker)];
    for (std::size_t b = next++; b < batches.size(); b = next++) {
      const ArenaScope saved_scope(ctx.saved);
      const ArenaScope scratch_scope(ctx.scratch);
      std::vector<Ids> batch;
      for (const std::size_t i : batches[b]) batch.push_back(sequences[i]);
      ConstView ids;
      const Ragged ragged = upload_sequences(ctx, ctx.saved, batch, model.config().vocab_size, ids);
      Pass pass;
      pass.capacity = options_.capacity;
      Stack::Saved saved;
      const View states = model.encoder.forward(ctx, pass, ids, ragged, nullptr, saved);
      std::int64_t row = 0;
      for (const std::size_t i : batches[b]) {
        result[i].resize(sequences[i].size() * d_model);
        download(ctx, states.slice_rows(row, tokens[i]), result[i].data(), std::ssize(result[i]));
        row += tokens[i];
      }
    }
  });
  return result;
}

void TextEmbedder::check_finite(const States& states, std::int64_t line) const {
  check(std::all_of(states.begin(), states.end(), [](float x) { return std::isfinite(x); }),
        ErrorKind::kData, options_.source.input, ":", line,
        ": the encoder's states are not finite");
}

std::vector<float> mean_of_rows(std::span<const float> states, std::int64_t columns) {
  const auto count = static_cast<std::size_t>(columns);
  assert(!states.empty() && states.size() % count == 0);
  std::vector<double> sums(count);
  for (std::size_t i = 0; i < states.size(); ++i) sums[i % count] += double{states[i]};
  std::vector<float> mean;
  for (const double sum : sums)
    mean.push_back(static_cast<float>(sum / static_cast<double>(states.size() / count)));
  return mean;
}

}  // namespace switchyard
