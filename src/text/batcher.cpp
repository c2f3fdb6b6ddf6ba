// SPDX-License-Identifier: Apache-2.0
#include "src/text/batcher.h"

#include <algorithm>
#include <span>
#include <utility>

#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/core/rng.h"

namespace switchyard {

namespace {

// The random stream that orders an epoch, distinct from all others of the same seed.
constexpr std::uint64_t kShuffleSite = 0x73687566666C65;  // "shuffle"

template <class T>
void shuffle(std::vector<T>& values, Rng& rng) {
  for (std::size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[rng.below(i)]);
}

// The limits of a batch or of a window of batches; 0: none.
struct Limit {
  std::int64_t words, pairs;
};

struct Pair {
  std::uint32_t index;
  std::int32_t source, target;  // tokens
};

struct Filling {
  std::int64_t pairs = 0, source = 0, target = 0;

  void add(const Pair& pair) {
    ++pairs;
    source += pair.source;
    target += pair.target;
  }
  bool exceeds(const Limit& limit) const {
    return (limit.pairs > 0 && pairs > limit.pairs) ||
           (limit.words > 0 && std::max(source, target) > limit.words);
  }
};

// Cuts `pairs` into pieces as long as the limit allows, at least one pair each; returns their ends.
std::vector<std::size_t> cut(std::span<const Pair> pairs, const Limit& limit) {
  std::vector<std::size_t> ends;
  Filling filling;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    filling.add(pairs[i]);
    if (filling.pairs > 1 && filling.exceeds(limit)) {
      ends.push_back(i);
      filling = {};
      filling.add(pairs[i]);
    }
  }
  if (!pairs.empty()) ends.push_back(pairs.size());
  return ends;
}

// As many pieces as `cut` makes, the fewest possible, but of similar size: otherwise the last one
// may have only a few pairs, whose gradient would be noise at the cost of a whole update. Lowers
// the limit as far as it can without more pieces.
std::vector<std::size_t> cut_evenly(std::span<const Pair> pairs, const Limit& limit) {
  constexpr std::int64_t kParts = 4096;
  const auto lowered = [&](std::int64_t parts) {
    const auto of = [&](std::int64_t full) {
      return full > 0 ? std::max<std::int64_t>(1, full * parts / kParts) : 0;
    };
    return Limit{of(limit.words), of(limit.pairs)};
  };
  std::vector<std::size_t> best = cut(pairs, limit);
  // Bisection bounds: low is infeasible, high feasible. A lower limit never makes fewer pieces.
  std::int64_t low = 0, high = kParts;
  while (high - low > 1) {
    const std::int64_t middle = (low + high) / 2;
    std::vector<std::size_t> ends = cut(pairs, lowered(middle));
    if (ends.size() > best.size()) {
      low = middle;
    } else {
      high = middle;
      best = std::move(ends);
    }
  }
  return best;
}

}  // namespace

EpochPlan plan_epoch(const PairSource& source, const BatchOptions& options, std::int64_t epoch) {
  std::vector<Pair> pairs;
  pairs.reserve(static_cast<std::size_t>(source.size()));
  for (std::int64_t i = 0; i < source.size(); ++i) {
    const PairLength length = source.length(epoch, i);
    pairs.push_back({static_cast<std::uint32_t>(i), static_cast<std::int32_t>(length.source),
                     static_cast<std::int32_t>(length.target)});
  }
  Rng rng(stream_key(options.seed, static_cast<std::uint64_t>(epoch), kShuffleSite));
  if (options.shuffle) shuffle(pairs, rng);

  const Limit of_batch{options.mini_batch_words, options.mini_batch};
  const Limit of_window{of_batch.words * options.maxi_batch, of_batch.pairs * options.maxi_batch};
  std::vector<std::pair<std::size_t, std::size_t>> batches;  // first pair and end, in `pairs`
  std::size_t first = 0;
  for (const std::size_t last : cut_evenly(pairs, of_window)) {
    const auto window = std::span(pairs).subspan(first, last - first);
    std::stable_sort(window.begin(), window.end(), [](const Pair& a, const Pair& b) {
      return std::pair(a.target, a.source) < std::pair(b.target, b.source);
    });
    std::size_t begin = first;
    for (const std::size_t end : cut_evenly(window, of_batch)) {
      batches.emplace_back(begin, first + end);
      begin = first + end;
    }
    first = last;
  }
  if (options.shuffle) shuffle(batches, rng);

  EpochPlan plan;
  plan.order.reserve(pairs.size());
  plan.offsets.push_back(0);
  for (const auto& [begin, end] : batches) {
    for (std::size_t i = begin; i < end; ++i) plan.order.push_back(pairs[i].index);
    plan.offsets.push_back(static_cast<std::int64_t>(plan.order.size()));
  }
  return plan;
}

Batcher::Batcher(const PairSource& source, const BatchOptions& options, BatchPosition start)
    : source_(source), options_(options), here_(start) {
  check(options.mini_batch > 0 || options.mini_batch_words > 0, ErrorKind::kUsage,
        "a batch has no limit, expected one of words or sentences");
  check(options.maxi_batch > 0, ErrorKind::kUsage, "a window of ", options.maxi_batch,
        " batches, expected at least 1");
  plan_ = plan_epoch(source_, options_, here_.epoch);
  check(here_.batch >= 0 && here_.batch < plan_.batches(), ErrorKind::kData, "batch ", here_.batch,
        " of epoch ", here_.epoch, ", which has ", counted(plan_.batches(), "batch", "batches"));
}

HostBatch Batcher::next() {
  HostBatch batch;
  const auto index = static_cast<std::size_t>(here_.batch);
  for (auto i = plan_.offsets[index]; i < plan_.offsets[index + 1]; ++i) {
    const std::uint32_t pair = plan_.order[static_cast<std::size_t>(i)];
    source_.read(here_.epoch, pair, batch.source.emplace_back(), batch.target.emplace_back());
    batch.sentence.push_back(pair);
  }
  if (++here_.batch == plan_.batches()) {
    here_ = {here_.epoch + 1, 0};
    plan_ = plan_epoch(source_, options_, here_.epoch);
  }
  return batch;
}

}  // namespace switchyard
