// SPDX-License-Identifier: Apache-2.0
#include "src/text/batcher.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>
#include <stdexcept>

#include "src/core/error.h"
#include "src/core/rng.h"
#include "src/text/corpus.h"
#include "src/text/prefetch.h"
#include "tests/support/catch.h"

using namespace switchyard;

namespace {

// Pair i: lengths between 1 and 40; the ids name the pair and the position.
Corpus make_corpus(std::int64_t pairs) {
  Rng rng(5);
  Corpus corpus;
  for (std::int64_t i = 0; i < pairs; ++i)
    for (Sequences* side : {&corpus.source, &corpus.target}) {
      Ids ids(1 + rng.below(40));
      for (std::size_t p = 0; p < ids.size(); ++p)
        ids[p] = static_cast<std::int32_t>(i * 100) + static_cast<std::int32_t>(p);
      side->push_back(ids);
    }
  return corpus;
}

bool same(const HostBatch& a, const HostBatch& b) {
  return a.source == b.source && a.target == b.target && a.sentence == b.sentence;
}

}  // namespace

TEST_CASE("an epoch has every pair once, in batches within the limits") {
  const Corpus corpus = make_corpus(997);
  BatchOptions options;
  const bool words = GENERATE(true, false);
  options.mini_batch_words = words ? 300 : 0;
  options.mini_batch = words ? 0 : 16;
  options.maxi_batch = GENERATE(1, 5, 1000);
  options.shuffle = GENERATE(true, false);
  CAPTURE(words, options.maxi_batch, options.shuffle);
  Batcher batcher(corpus, options);
  const std::int64_t batches = batcher.batches_in_epoch();
  std::vector<int> seen(997, 0);
  for (std::int64_t b = 0; b < batches; ++b) {
    CHECK(batcher.position() == BatchPosition{0, b});
    const HostBatch batch = batcher.next();
    REQUIRE(!batch.source.empty());
    std::int64_t source = 0, target = 0;
    for (std::size_t i = 0; i < batch.source.size(); ++i) {
      ++seen[batch.sentence[i]];
      CHECK(batch.source[i].front() == static_cast<int>(batch.sentence[i]) * 100);
      CHECK(batch.target[i].front() == static_cast<int>(batch.sentence[i]) * 100);
      source += static_cast<std::int64_t>(batch.source[i].size());
      target += static_cast<std::int64_t>(batch.target[i].size());
    }
    CHECK(batch.source_tokens() == source);
    CHECK(batch.target_tokens() == target);
    if (words)
      CHECK(std::max(source, target) <= 300);
    else
      CHECK(batch.source.size() <= 16);
  }
  CHECK(batcher.position() == BatchPosition{1, 0});
  CHECK(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }));
}

TEST_CASE("the pairs of a batch have similar lengths") {
  const Corpus corpus = make_corpus(2000);
  BatchOptions options;
  options.mini_batch = 20;
  Batcher batcher(corpus, options);
  for (int b = 0; b < 50; ++b) {
    const HostBatch batch = batcher.next();
    const auto [shortest, longest] =
        std::minmax_element(batch.target.begin(), batch.target.end(),
                            [](const Ids& a, const Ids& c) { return a.size() < c.size(); });
    CHECK(longest->size() - shortest->size() <= 3);
  }
}

TEST_CASE("batches are not in order of length") {
  const Corpus corpus = make_corpus(2000);
  BatchOptions options;
  options.mini_batch = 20;
  // One window, or several.
  options.maxi_batch = GENERATE(100, 25);
  const std::int64_t epoch = GENERATE(0, 1);
  CAPTURE(options.maxi_batch, epoch);
  Batcher batcher(corpus, options, {epoch, 0});
  REQUIRE(batcher.batches_in_epoch() == 100);
  std::vector<double> mean_length;
  for (int b = 0; b < 100; ++b) {
    const HostBatch batch = batcher.next();
    mean_length.push_back(static_cast<double>(batch.target_tokens()) /
                          static_cast<double>(batch.target.size()));
  }
  int rises = 0;
  for (std::size_t b = 1; b < mean_length.size(); ++b) rises += mean_length[b] > mean_length[b - 1];
  // Of 99 in a random order, 49.5 on average, with a standard deviation of 2.9.
  CHECK(rises > 30);
  CHECK(rises < 70);
}

TEST_CASE("no batch is much smaller than the others") {
  const bool words = GENERATE(true, false);
  BatchOptions options;
  options.mini_batch_words = words ? 700 : 0;
  options.mini_batch = words ? 0 : 35;
  // Otherwise the last batch of a window and the last window would be small.
  options.maxi_batch = GENERATE(3, 100);
  for (const std::int64_t pairs : {36, 40, 107, 250, 999}) {
    const Corpus corpus = make_corpus(pairs);
    Batcher batcher(corpus, options);
    std::int64_t smallest = 1'000'000, largest = 0;
    for (std::int64_t b = batcher.batches_in_epoch(); b > 0; --b) {
      const HostBatch batch = batcher.next();
      const std::int64_t size = words ? std::max(batch.source_tokens(), batch.target_tokens())
                                      : static_cast<std::int64_t>(batch.source.size());
      smallest = std::min(smallest, size);
      largest = std::max(largest, size);
    }
    CAPTURE(words, options.maxi_batch, pairs, smallest, largest);
    CHECK(2 * smallest >= largest);
  }
}

TEST_CASE("a pair above the limit is a batch of its own") {
  Corpus corpus;
  for (const std::size_t length : {3, 50, 4}) {
    corpus.source.push_back(Ids(length, 7));
    corpus.target.push_back(Ids(2, 7));
  }
  BatchOptions options;
  options.mini_batch_words = 10;
  const EpochPlan plan = plan_epoch(corpus, options, 0);
  CHECK(plan.batches() == 2);
}

TEST_CASE("the order is a function of seed and epoch") {
  const Corpus corpus = make_corpus(500);
  BatchOptions options;
  options.mini_batch_words = 200;
  const auto order = [&](std::uint64_t seed, std::int64_t epoch) {
    options.seed = seed;
    return plan_epoch(corpus, options, epoch).order;
  };
  CHECK(order(1, 3) == order(1, 3));
  CHECK(order(1, 3) != order(1, 4));
  CHECK(order(1, 3) != order(2, 3));
}

// Without shuffling, windows follow one another in the corpus.
TEST_CASE("a window has maxi_batch batches") {
  Corpus corpus;
  for (int i = 0; i < 90; ++i)
    for (Sequences* side : {&corpus.source, &corpus.target})
      side->push_back(Ids(static_cast<std::size_t>(i % 3) + 4, 7));  // 15 tokens in three pairs
  const bool words = GENERATE(true, false);
  BatchOptions options;
  options.mini_batch_words = words ? 50 : 0;
  options.mini_batch = words ? 0 : 10;
  options.maxi_batch = 3;
  options.shuffle = false;
  const EpochPlan plan = plan_epoch(corpus, options, 0);
  REQUIRE(plan.order.size() == 90);
  for (std::uint32_t i = 0; i < 90; ++i) {
    CAPTURE(words, i);
    CHECK(plan.order[i] / 30 == i / 30);
  }
}

TEST_CASE("an epoch mixes the whole corpus, and its batches are not in order of length") {
  const Corpus corpus = make_corpus(1000);
  BatchOptions options;
  options.mini_batch_words = 0;
  options.mini_batch = 10;
  options.maxi_batch = 5;
  Batcher batcher(corpus, options);
  int spread = 0, rises = 0;
  std::int64_t last = 0;
  for (int b = 0; b < 100; ++b) {
    const HostBatch batch = batcher.next();
    const auto [first, end] = std::minmax_element(batch.sentence.begin(), batch.sentence.end());
    spread += *end - *first > 300;  // a window of neighbours has 50
    rises += batch.target_tokens() > last;
    last = batch.target_tokens();
  }
  CHECK(spread > 90);
  CHECK(rises > 30);
  CHECK(rises < 70);  // in order of length within windows: 80
}

TEST_CASE("all orders are equally likely") {
  Corpus corpus;
  for (int i = 0; i < 3; ++i)
    for (Sequences* side : {&corpus.source, &corpus.target}) side->push_back(Ids(4, 7));
  BatchOptions options;
  options.mini_batch_words = 0;
  options.mini_batch = 1;
  std::map<std::vector<std::uint32_t>, int> seen;
  for (std::int64_t epoch = 0; epoch < 6000; ++epoch)
    ++seen[plan_epoch(corpus, options, epoch).order];
  CHECK(seen.size() == 6);
  for (const auto& [order, count] : seen) CHECK(std::abs(count - 1000) < 6 * 29);  // 6 sigma
}

TEST_CASE("a resumed run gets the same batches") {
  const Corpus corpus = make_corpus(300);
  BatchOptions options;
  options.mini_batch_words = 250;
  options.maxi_batch = 4;
  Batcher unbroken(corpus, options);
  for (int b = 0; b < 150; ++b) {
    const BatchPosition here = unbroken.position();
    const HostBatch batch = unbroken.next();
    if (b % 7 != 0) continue;
    Batcher resumed(corpus, options, here);
    CHECK(same(resumed.next(), batch));
    CHECK(resumed.position() == unbroken.position());
  }
  CHECK(unbroken.position().epoch > 1);
  Batcher a(corpus, options, {1, 2}), b(corpus, options, {1, 0});
  b.next();
  b.next();
  for (int i = 0; i < 60; ++i) CHECK(same(a.next(), b.next()));
}

// Its pairs are {epoch, index} and differ in length from epoch to epoch.
struct EpochSource final : PairSource {
  std::int64_t size() const override { return 20; }
  PairBounds bounds() const override { return {{9, 1}, {20 * 9, 20}}; }
  PairLength length(std::int64_t epoch, std::int64_t index) const override {
    return {1 + (index + epoch) % 9, 1};
  }
  void read(std::int64_t epoch, std::int64_t index, Ids& source, Ids& target) const override {
    source.assign(static_cast<std::size_t>(length(epoch, index).source),
                  static_cast<std::int32_t>(epoch));
    target.assign(1, static_cast<std::int32_t>(index));
  }
  std::uint64_t hash() const override { return 0; }
};

TEST_CASE("pairs are read by epoch and index, and batches are cut by the epoch's lengths") {
  const EpochSource source;
  BatchOptions options;
  options.mini_batch_words = 30;
  Batcher batcher(source, options);
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<int> seen(20, 0);
    for (std::int64_t b = batcher.batches_in_epoch(); b > 0; --b) {
      const HostBatch batch = batcher.next();
      CHECK(batch.source_tokens() <= 30);
      for (std::size_t i = 0; i < batch.source.size(); ++i) {
        ++seen[batch.sentence[i]];
        CHECK(batch.source[i].front() == epoch);
        CHECK(batch.target[i].front() == static_cast<int>(batch.sentence[i]));
      }
    }
    CHECK(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }));
  }
}

TEST_CASE("impossible settings are refused") {
  const Corpus corpus = make_corpus(10);
  BatchOptions options;
  CHECK_THROWS_AS(Batcher(corpus, options, {0, 100}), Error);
  options.mini_batch_words = 0;
  CHECK_THROWS_AS(Batcher(corpus, options), Error);
}

TEST_CASE("prefetch keeps order, errors and its bound") {
  std::atomic<int> made = 0;
  {
    Prefetch<int> items(
        [&]() -> std::optional<int> { return made < 100 ? made++ : std::optional<int>(); }, 4);
    for (int i = 0; i < 100; ++i) {
      CHECK(items.next() == i);
      CHECK(made <= i + 1 + 4 + 1);
    }
    CHECK(!items.next());
    CHECK(!items.next());
  }
  int count = 0;
  Prefetch<int> failing(
      [&]() -> std::optional<int> {
        if (count == 3) throw std::runtime_error("three");
        return count++;
      },
      2);
  for (int i = 0; i < 3; ++i) CHECK(failing.next() == i);
  CHECK_THROWS_AS(failing.next(), std::runtime_error);
  // Destroyed with a full queue: must not hang.
  Prefetch<int> unused([]() -> std::optional<int> { return 1; }, 2);
}
