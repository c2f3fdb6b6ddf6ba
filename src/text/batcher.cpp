// SPDX-License-Identifier: Apache-2.0
#include "src/text/batcher.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "src/core/error.h"
#include "src/core/rng.h"

namespace switchyard {

namespace {

// The stream of random numbers that orders an epoch, apart from all others of the same seed.
constexpr std::uint64_t kShuffleSite = 0x73687566666C65;  // "shuffle"

template <class T>
void shuffle(std::vector<T>& values, Rng& rng) {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[rng.below(i)]);
}

// Sums up the size of a batch, or of a window of `times` batches.
struct Filling {
  std::int64_t pairs = 0, source = 0, target = 0;

  void add(std::int64_t source_length, std::int64_t target_length) {
    ++pairs;
    source += source_length;
    target += target_length;
  }
  bool exceeds(const BatchOptions& options, std::int64_t times) const {
    return (options.mini_batch > 0 && pairs > times * options.mini_batch) ||
           (options.mini_batch_words > 0 &&
            std::max(source, target) > times * options.mini_batch_words);
  }
};

// Cuts `pairs` into pieces, each as long as it may be without exceeding `times` batches; at least
// one pair. Calls f(first, last) on each.
template <class F>
void cut(const Corpus& corpus, const BatchOptions& options, std::int64_t times,
         std::span<const std::uint32_t> pairs, F&& f) {
  std::size_t first = 0;
  Filling filling;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const std::int64_t source = corpus.source.length(pairs[i]);
    const std::int64_t target = corpus.target.length(pairs[i]);
    filling.add(source, target);
    if (i > first && filling.exceeds(options, times)) {
      f(first, i);
      first = i;
      filling = {};
      filling.add(source, target);
    }
  }
  if (first < pairs.size()) f(first, pairs.size());
}

}  // namespace

EpochPlan plan_epoch(const Corpus& corpus, const BatchOptions& options, std::int64_t epoch) {
  std::vector<std::uint32_t> pairs(static_cast<std::size_t>(corpus.size()));
  std::iota(pairs.begin(), pairs.end(), 0u);
  Rng rng(stream_key(options.seed, static_cast<std::uint64_t>(epoch), kShuffleSite));
  if (options.shuffle) shuffle(pairs, rng);

  using Range = std::pair<std::size_t, std::size_t>;
  std::vector<Range> batches;
  cut(corpus, options, options.maxi_batch, pairs, [&](std::size_t first, std::size_t last) {
    const auto window = std::span(pairs).subspan(first, last - first);
    std::stable_sort(window.begin(), window.end(), [&](std::uint32_t a, std::uint32_t b) {
      return std::pair(corpus.target.length(a), corpus.source.length(a)) <
             std::pair(corpus.target.length(b), corpus.source.length(b));
    });
    cut(corpus, options, 1, window, [&](std::size_t begin, std::size_t end) {
      batches.emplace_back(first + begin, first + end);
    });
  });
  if (options.shuffle) shuffle(batches, rng);

  EpochPlan plan;
  plan.order.reserve(pairs.size());
  plan.offsets.push_back(0);
  for (const auto& [first, last] : batches) {
    plan.order.insert(plan.order.end(), pairs.begin() + static_cast<std::ptrdiff_t>(first),
                      pairs.begin() + static_cast<std::ptrdiff_t>(last));
    plan.offsets.push_back(static_cast<std::int64_t>(plan.order.size()));
  }
  return plan;
}

Batcher::Batcher(const Corpus& corpus, const BatchOptions& options, BatchPosition start)
    : corpus_(corpus), options_(options), here_(start) {
  check(options.mini_batch > 0 || options.mini_batch_words > 0, ErrorKind::kUsage,
        "a batch has no limit, expected one of words or sentences");
  check(options.maxi_batch > 0, ErrorKind::kUsage, "a window of ", options.maxi_batch,
        " batches, expected at least 1");
  plan_ = plan_epoch(corpus_, options_, here_.epoch);
  check(here_.batch >= 0 && here_.batch < plan_.batches(), ErrorKind::kData, "batch ", here_.batch,
        " of epoch ", here_.epoch, ", which has ", plan_.batches(), " batches");
}

PairBatch Batcher::next() {
  PairBatch batch;
  const auto index = static_cast<std::size_t>(here_.batch);
  for (auto i = plan_.offsets[index]; i < plan_.offsets[index + 1]; ++i) {
    const std::uint32_t pair = plan_.order[static_cast<std::size_t>(i)];
    const auto source = corpus_.source[pair];
    const auto target = corpus_.target[pair];
    batch.source.emplace_back(source.begin(), source.end());
    batch.target.emplace_back(target.begin(), target.end());
    batch.sentence.push_back(pair);
    batch.source_tokens += static_cast<std::int64_t>(source.size());
    batch.target_tokens += static_cast<std::int64_t>(target.size());
  }
  batch.batches_in_epoch = plan_.batches();
  if (++here_.batch == plan_.batches()) {
    here_ = {here_.epoch + 1, 0};
    plan_ = plan_epoch(corpus_, options_, here_.epoch);
  }
  batch.next = here_;
  return batch;
}

}  // namespace switchyard
