// SPDX-License-Identifier: Apache-2.0
// Beam against the transcription of transformers' search, over made-up models whose
// log-probabilities are a function of sentence and prefix. The arithmetic is the same, so ids and
// scores are equal.
#include <algorithm>
#include <cmath>

#include "src/core/rng.h"
#include "src/decode/beam.h"
#include "tests/decode/hf_beam_search.h"
#include "tests/support/catch.h"

using namespace switchyard;

namespace {

constexpr std::int32_t kEos = 1;

// Peaked enough that hypotheses differ in length; eos is likelier the longer the prefix.
std::vector<float> made_up_log_probs(std::uint64_t seed, std::size_t vocab, std::size_t sentence,
                                     const Ids& prefix) {
  std::uint64_t key = stream_key(seed, sentence, 0);
  for (const std::int32_t id : prefix) key = mix64(key ^ static_cast<std::uint64_t>(id + 1));
  Rng rng(key);
  std::vector<double> logits;
  for (std::size_t v = 0; v < vocab; ++v) logits.push_back(2.5 * rng.normal());
  logits[kEos] += 0.3 * static_cast<double>(prefix.size());
  double sum = 0;
  for (const double x : logits) sum += std::exp(x);
  std::vector<float> result;
  for (const double x : logits) result.push_back(static_cast<float>(x - std::log(sum)));
  return result;
}

// Multiples of 1/4: sums are exact, and many hypotheses have equal scores.
std::vector<float> tied_log_probs(std::uint64_t seed, std::size_t vocab, std::size_t sentence,
                                  const Ids& prefix) {
  std::vector<float> result = made_up_log_probs(seed, vocab, sentence, prefix);
  for (float& x : result) x = std::min(std::floor(x), -1.0f) / 4;
  return result;
}

// What Search does, without a model.
NBest drive_beam(std::size_t vocab, std::size_t sentence, const Ids& eos_ids,
                 const LogProbs& log_probs, const SearchOptions& options) {
  Beam beam(options, static_cast<std::int64_t>(vocab), eos_ids);
  const auto beams = static_cast<std::size_t>(options.num_beams);
  std::vector<Ids> prefix(beams);
  for (bool first = true; !beam.done(); first = false) {
    if (!first) {
      std::vector<Ids> next;
      for (std::size_t r = 0; r < beams; ++r) {
        next.push_back(prefix[static_cast<std::size_t>(beam.parent()[r])]);
        next.back().push_back(beam.token()[r]);
      }
      prefix = next;
    }
    std::vector<float> accumulated, value;
    std::vector<std::int32_t> index;
    for (std::size_t r = 0; r < beams; ++r)
      for (const float lp : log_probs(sentence, prefix[r]))
        accumulated.push_back(lp + beam.score()[r]);
    for (const std::size_t i :
         top_k(accumulated, static_cast<std::size_t>(Beam::candidates(options, eos_ids.size())))) {
      value.push_back(accumulated[i]);
      index.push_back(static_cast<std::int32_t>(i));
    }
    beam.advance(value, index);
  }
  return beam.best(static_cast<std::size_t>(options.num_return_sequences));
}

}  // namespace

TEST_CASE("beam search is bit-identical to transformers', whatever else is in the batch") {
  const bool tied = GENERATE(false, true);
  constexpr std::size_t kBatch = 5;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Rng rng(seed);
    SearchOptions options;
    options.num_beams = 1 + static_cast<std::int64_t>(rng.below(6));
    options.num_return_sequences =
        1 + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(options.num_beams)));
    options.max_new_tokens = 1 + static_cast<std::int64_t>(rng.below(14));
    options.early_stopping = static_cast<EarlyStopping>(rng.below(3));
    const Ids eos_ids = rng.below(4) == 0 ? Ids{kEos, 4, 7} : Ids{kEos};
    const float penalties[] = {1, 0, 0.6f, 2, -0.5f};
    options.length_penalty = penalties[rng.below(5)];
    // No fewer tokens than candidates: torch does not define the order of equal -1e9 scores.
    const std::size_t vocab =
        static_cast<std::size_t>(Beam::candidates(options, eos_ids.size())) + rng.below(9) + 4;
    const LogProbs log_probs = [&](std::size_t sentence, const Ids& prefix) {
      return (tied ? tied_log_probs : made_up_log_probs)(seed, vocab, sentence, prefix);
    };
    const std::vector<NBest> expected = hf_beam_search(kBatch, vocab, eos_ids, log_probs, options);
    for (std::size_t s = 0; s < kBatch; ++s) {
      CAPTURE(tied, seed, s, options.num_beams, options.max_new_tokens, options.length_penalty,
              static_cast<int>(options.early_stopping), eos_ids.size());
      const NBest actual = drive_beam(vocab, s, eos_ids, log_probs, options);
      REQUIRE(actual.size() == expected[s].size());
      for (std::size_t r = 0; r < actual.size(); ++r) {
        REQUIRE(actual[r].ids == expected[s][r].ids);
        REQUIRE(actual[r].score == expected[s][r].score);
      }
    }
  }
}

TEST_CASE("an end behind the first num_beams candidates does not count") {
  SearchOptions options;
  options.num_beams = 2;
  options.num_return_sequences = 2;
  options.max_new_tokens = 3;
  options.length_penalty = 0;
  Beam beam(options, 10, {kEos});
  // Third of four: neither finished nor running.
  beam.advance(std::vector<float>{-1, -2, -3, -4}, std::vector<std::int32_t>{5, 6, kEos, 7});
  CHECK(!beam.done());
  CHECK(beam.token() == std::vector<std::int32_t>{5, 6});
  CHECK(beam.score() == std::vector<float>{-1, -2});
  // Second of four: finished; the running ones are the next two.
  beam.advance(std::vector<float>{-2, -2.5f, -5, -6}, std::vector<std::int32_t>{15, kEos, 8, 3});
  CHECK(!beam.done());
  CHECK(beam.token() == std::vector<std::int32_t>{5, 8});
  CHECK(beam.parent() == std::vector<std::int32_t>{1, 0});
  // The limit ends the first two, whatever they are.
  beam.advance(std::vector<float>{-2.25f, -9, -10, -11}, std::vector<std::int32_t>{4, kEos, 8, 3});
  REQUIRE(beam.done());
  const NBest best = beam.best(2);
  CHECK(best[0].ids == Ids{6, 5, 4});
  CHECK(best[0].score == -2.25f);
  CHECK(best[1].ids == Ids{5, kEos});
  CHECK(best[1].score == -2.5f);
}

// torch.topk over the finished hypotheses, then the new ones; _check_early_stop_heuristic: a
// running one must be better than the worst finished one, not as good.
TEST_CASE(
    "of two equal scores the older stays ahead, and one as good as the worst ends the search") {
  SearchOptions options;
  options.num_beams = 2;
  options.num_return_sequences = 2;
  options.max_new_tokens = 9;
  options.length_penalty = 1;
  Beam beam(options, 10, {kEos});
  beam.advance(std::vector<float>{-1, -1, -2, -3}, std::vector<std::int32_t>{kEos, 5, 6, 7});
  REQUIRE(!beam.done());
  // Ended: -2 / 2, as the first one. Running: the same.
  beam.advance(std::vector<float>{-2, -2, -3, -4}, std::vector<std::int32_t>{kEos, 7, 8, 9});
  CHECK(beam.done());
  const NBest best = beam.best(2);
  CHECK(best[0].ids == Ids{kEos});
  CHECK(best[1].ids == Ids{5, kEos});
  CHECK(best[0].score == best[1].score);
}
