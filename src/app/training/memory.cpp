// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/memory.h"

#include <algorithm>

#include "src/app/figures.h"
#include "src/core/error.h"

namespace switchyard {

namespace {

constexpr std::int64_t kPartOfBatch = 8;

// Every kPartOfBatch-th pair of the largest batch; `scale` is the ratio of their tokens.
struct Sample {
  HostBatch batch;
  double scale = 1;
};

Sample sample_largest_batch(const PairSource& source, const BatchOptions& options) {
  const EpochPlan plan = plan_epoch(source, options, 0);
  const auto pair = [&](std::int64_t i) {
    return static_cast<std::int64_t>(plan.order[static_cast<std::size_t>(i)]);
  };
  const auto offset = [&](std::int64_t b) { return plan.offsets[static_cast<std::size_t>(b)]; };
  std::int64_t largest = 0, most_tokens = -1;
  for (std::int64_t b = 0; b < plan.batches(); ++b) {
    std::int64_t tokens = 0;
    for (std::int64_t i = offset(b); i < offset(b + 1); ++i) {
      const PairLength length = source.length(0, pair(i));
      tokens += length.source + length.target;
    }
    if (tokens > most_tokens) most_tokens = tokens, largest = b;
  }
  Sample sample;
  for (std::int64_t i = offset(largest); i < offset(largest + 1); i += kPartOfBatch) {
    source.read(0, pair(i), sample.batch.source.emplace_back(), sample.batch.target.emplace_back());
    sample.batch.sentence.push_back(static_cast<std::uint32_t>(pair(i)));
  }
  const std::int64_t tokens = sample.batch.source_tokens() + sample.batch.target_tokens();
  sample.scale = static_cast<double>(most_tokens) / static_cast<double>(tokens);
  return sample;
}

}  // namespace

TrainingMemory parameter_memory(const Model& model, const TrainingOptions& options) {
  std::int64_t buffers = 1 + options.trainer.workers;  // values, and one gradient per worker
  if (options.trainer.exponential_smoothing > 0) ++buffers;
  // Weights in bfloat16, packed for forward and for backward.
  if (options.compute_type == DType::bf16) ++buffers;
  constexpr auto kFloat = static_cast<std::int64_t>(sizeof(float));
  TrainingMemory memory;
  model.each_param([&](const Param& param) {
    memory.parameters += param.size() * buffers * kFloat;
    memory.optimizer += optimizer_state_size(options.trainer.optimizer, param) * kFloat;
  });
  return memory;
}

std::int64_t largest_batch_bytes(Trainer& trainer, const PairSource& source,
                                 const BatchOptions& options) {
  const Sample sample = sample_largest_batch(source, options);
  return static_cast<std::int64_t>(sample.scale *
                                   static_cast<double>(trainer.measure_arenas(sample.batch)));
}

std::int64_t fit_batch_words(Trainer& trainer, const PairSource& source, BatchOptions options,
                             std::int64_t workspace) {
  // Memory is proportional to words except that rows are rounded up, so a few tries come close.
  constexpr int kTries = 6;
  constexpr std::int64_t kFirstWords = 2048;
  const auto fits = static_cast<double>(workspace) * 0.95;  // a sample only estimates
  const PairLength total = source.bounds().total;
  const std::int64_t most = std::max(total.source, total.target);
  std::int64_t best = 0, words = std::min(kFirstWords, most);
  for (int i = 0; i < kTries && words != best; ++i) {
    options.mini_batch_words = words;
    const auto bytes = static_cast<double>(largest_batch_bytes(trainer, source, options));
    if (bytes <= fits) best = std::max(best, words);
    words = std::clamp<std::int64_t>(
        static_cast<std::int64_t>(static_cast<double>(words) * fits / bytes), best, most);
  }
  if (best > 0) return best;
  options.mini_batch_words = 1;  // each pair is a batch of its own
  const std::int64_t bytes = largest_batch_bytes(trainer, source, options);
  check(bytes <= workspace, ErrorKind::kUsage, "--workspace: found ", bytes_text(workspace),
        ", expected at least ", bytes_text(bytes), ", for the longest pair");
  return 1;
}

std::string memory_text(const TrainingMemory& memory) {
  return bytes_text(memory.needed()) + " needed (" + bytes_text(memory.parameters) +
         " parameters, " + bytes_text(memory.optimizer) + " optimizer, " +
         bytes_text(memory.batch) + " per batch), " + bytes_text(memory.available) + " available";
}

void check_memory(const TrainingMemory& memory) {
  check(memory.needed() <= memory.available, ErrorKind::kRuntime,
        "not enough memory: ", memory_text(memory),
        "; try a smaller model, --mini-batch-words or --max-length");
}

}  // namespace switchyard
