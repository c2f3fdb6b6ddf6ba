// SPDX-License-Identifier: Apache-2.0
// Sampling: the distributions of draws, and that they depend on seed and sentence alone.
// tests/parity/generation_parity compares them with transformers'.
#include "src/decode/sampling.h"

#include <cmath>
#include <limits>
#include <map>

#include "src/core/error.h"
#include "src/core/rng.h"
#include "src/decode/search.h"
#include "src/decode/translator.h"
#include "tests/decode/random_model.h"
#include "tests/support/catch.h"
#include "tests/support/chi_square.h"

using namespace switchyard;

namespace {

constexpr float kOut = -std::numeric_limits<float>::infinity();

SearchOptions sampling_options() {
  SearchOptions options;
  options.sampling.do_sample = true;
  options.max_new_tokens = 8;
  return options;
}

}  // namespace

TEST_CASE("sampling: the frequencies of draws are the probabilities") {
  const std::vector<float> scores = {0, kOut, std::log(2.0f), std::log(5.0f), -2, kOut};
  const std::vector<double> weight = {1, 0, 2, 5, std::exp(-2.0), 0};
  double sum = 0;
  for (const double w : weight) sum += w;
  ChiSquare test;
  constexpr std::int64_t kDraws = 100'000;
  std::vector<std::int64_t> count(scores.size());
  Rng rng(5);
  for (std::int64_t i = 0; i < kDraws; ++i)
    ++count[static_cast<std::size_t>(*draw(scores, rng.uniform()))];
  for (std::size_t v = 0; v < scores.size(); ++v)
    test.add(static_cast<double>(count[v]), weight[v] / sum * double{kDraws});
  CHECK(test.passes());
  CHECK(count[1] + count[5] == 0);
  CHECK(draw(scores, 0) == 0);
  CHECK(draw(scores, 1 - 0x1p-53) == 4);
  CHECK(!draw(std::vector<float>{kOut, kOut}, 0.5));
}

TEST_CASE("sampling: draws without replacement") {
  const std::vector<double> p = {0.5, 0.3, 0.15, 0.05};
  std::vector<float> scores = {kOut};
  for (const double x : p) scores.push_back(static_cast<float>(std::log(x)));
  constexpr std::int64_t kDraws = 100'000;
  std::map<std::vector<std::int32_t>, std::int64_t> count;
  for (std::uint64_t i = 0; i < kDraws; ++i)
    ++count[draw_without_replacement(scores, 2, stream_key(1, i, 2))];
  ChiSquare test;
  for (std::int32_t a = 0; a < 4; ++a) {
    for (std::int32_t b = a + 1; b < 4; ++b) {
      const double pa = p[static_cast<std::size_t>(a)], pb = p[static_cast<std::size_t>(b)];
      test.add(static_cast<double>(count[{a + 1, b + 1}]),
               (pa * pb / (1 - pa) + pb * pa / (1 - pb)) * double{kDraws});
    }
  }
  CHECK(count.size() == 6);  // each pair is in descending order of score
  CHECK(test.passes());
  CHECK(draw_without_replacement(std::vector<float>{kOut, 1, kOut}, 2, 3) ==
        std::vector<std::int32_t>{1, 0});
}

TEST_CASE("sampling: a sample depends on seed and sentence, not on batch or workers") {
  RandomModel random(3);
  std::vector<Ids> sources = random_sources(3, 40);
  TranslatorOptions options;
  options.search = sampling_options();
  options.search.num_beams = GENERATE(1, 3);
  if (options.search.num_beams == 1) options.search.num_return_sequences = 3;
  const auto translate = [&](std::int64_t mini_batch, int workers) {
    options.mini_batch = mini_batch;
    options.workers = workers;
    return Translator(random.model, options).translate(sources);
  };
  random.model.prepare(*random.ctx);
  const std::vector<NBest> all = translate(40, 1);
  CHECK(same_bits(translate(1, 1), all));
  CHECK(same_bits(translate(3, 2), all));
  // The same sentences in two calls.
  std::vector<NBest> parts(sources.size());
  Translator translator(random.model, options);
  for (const auto& [begin, end] : {std::pair{0, 13}, std::pair{13, 40}})
    translator.translate(
        std::vector<Ids>(sources.begin() + begin, sources.begin() + end), {},
        [&, first = begin](std::size_t i, NBest found) {
          parts[static_cast<std::size_t>(first) + i] = std::move(found);
        },
        static_cast<std::uint64_t>(begin));
  CHECK(same_bits(parts, all));
  options.search.sampling.seed = 2;
  CHECK(!same_bits(translate(40, 1), all));
  // Equal sentences have samples of their own.
  sources.assign(40, sources[0]);
  const std::vector<NBest> equal = translate(40, 1);
  CHECK(std::any_of(equal.begin(), equal.end(),
                    [&](const NBest& n) { return n[0].ids != equal[0][0].ids; }));
}

TEST_CASE("sampling: hypotheses of a sentence differ, and end by themselves") {
  RandomModel random(4);
  SearchOptions options = sampling_options();
  options.num_return_sequences = 50;
  const NBest found = search_batch(*random.ctx, random.model, random_sources(4, 1), options)[0];
  REQUIRE(found.size() == 50);
  std::map<std::size_t, int> lengths;
  for (const Hypothesis& h : found) {
    ++lengths[h.ids.size()];
    CHECK(std::count(h.ids.begin(), h.ids.end(), 1) == (h.ids.back() == 1));
    CHECK(h.score < 0);
  }
  CHECK(lengths.size() > 2);
}

// A low temperature makes the best token certain.
TEST_CASE("sampling: at temperature 0 it is greedy search") {
  RandomModel random(5);
  const std::vector<Ids> sources = random_sources(5, 10);
  SearchOptions options;
  options.max_new_tokens = 8;
  options.scores = true;
  const std::vector<NBest> greedy = search_batch(*random.ctx, random.model, sources, options);
  options.sampling.do_sample = true;
  options.sampling.temperature = kMinTemperature;
  const std::vector<NBest> cold = search_batch(*random.ctx, random.model, sources, options);
  for (std::size_t s = 0; s < sources.size(); ++s) {
    CHECK(cold[s][0].ids == greedy[s][0].ids);
    CHECK(std::abs(cold[s][0].score - greedy[s][0].score) < 1e-5f);
  }
}

TEST_CASE("search: the host finds the same candidates as the backend") {
  RandomModel random(6);
  const std::vector<Ids> sources = random_sources(6, 20);
  SearchOptions options;
  options.max_new_tokens = 10;
  options.scores = true;
  options.num_beams = GENERATE(1, 4);
  options.num_return_sequences = options.num_beams;
  const std::vector<NBest> backend = search_batch(*random.ctx, random.model, sources, options);
  options.logits.min_length = 1;  // has no effect
  const std::vector<NBest> host = search_batch(*random.ctx, random.model, sources, options);
  for (std::size_t s = 0; s < sources.size(); ++s) {
    REQUIRE(host[s].size() == backend[s].size());
    for (std::size_t r = 0; r < host[s].size(); ++r) {
      CHECK(host[s][r].ids == backend[s][r].ids);
      CHECK(std::abs(host[s][r].score - backend[s][r].score) < 1e-5f);
    }
  }
}

TEST_CASE("search: ends even if every token is excluded") {
  RandomModel random(6);
  const std::vector<Ids> sources = random_sources(6, 3);
  SearchOptions options;
  options.num_beams = GENERATE(1, 3);
  options.sampling.do_sample = GENERATE(false, true);
  options.max_new_tokens = 40;
  options.logits.no_repeat_ngram_size = 1;
  options.logits.min_length = 50;
  for (const NBest& found : search_batch(*random.ctx, random.model, sources, options))
    CHECK(found.size() == 1);
}

TEST_CASE("search: ids of options that are not in the vocabulary") {
  RandomModel random(6);
  const auto refused = [&](auto set) {
    SearchOptions options;
    set(options);
    CHECK_THROWS_AS(Search(*random.ctx, random.model, options), Error);
  };
  refused([](SearchOptions& o) { o.logits.suppress_tokens = {kVocab}; });
  refused([](SearchOptions& o) { o.logits.begin_suppress_tokens = {-1}; });
  refused([](SearchOptions& o) { o.logits.bad_words_ids = {{2, kVocab}}; });
  refused([](SearchOptions& o) { o.logits.bad_words_ids = {{}}; });
  refused([](SearchOptions& o) { o.logits.forced_bos_token_id = kVocab; });
  refused([](SearchOptions& o) { o.logits.forced_eos_token_id = {kVocab}; });
  refused([](SearchOptions& o) { o.more_eos_ids = {kVocab}; });
  refused([](SearchOptions& o) {
    for (std::int32_t id = 0; id < kVocab; ++id) o.more_eos_ids.push_back(id);
  });
}
