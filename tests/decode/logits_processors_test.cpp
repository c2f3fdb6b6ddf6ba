// SPDX-License-Identifier: Apache-2.0
// Each logits processor on a few scores. tests/parity/generation_parity compares whole searches
// with transformers'.
#include "src/decode/logits_processors.h"

#include <limits>

#include "tests/support/catch.h"

using namespace switchyard;

namespace {

using Scores = std::vector<float>;
constexpr float kOut = -std::numeric_limits<float>::infinity();
const Ids kEos = {1};

// The scores of 6 tokens after `ids`, of which the first `prompt` are given.
Scores processed(const SearchOptions& options, Scores scores, const Ids& ids,
                 std::size_t prompt = 1, const Ids& eos = kEos) {
  const Ids source = {2, 3, 4, 1};
  for (const LogitsProcessor& processor : logits_processors(options, eos))
    processor({source, ids, prompt}, scores);
  return scores;
}

}  // namespace

TEST_CASE("by default there are no logits processors") {
  CHECK(logits_processors({}, kEos).empty());
  SearchOptions no_unk;
  no_unk.suppressed_id = 2;
  CHECK(logits_processors(no_unk, kEos).empty());
  no_unk.logits.min_length = 1;
  CHECK(logits_processors(no_unk, kEos).size() == 2);
}

TEST_CASE("penalties divide positive scores and multiply others, once for each token") {
  SearchOptions o;
  o.logits.repetition_penalty = 2;
  CHECK(processed(o, {4, 4, -4, -4, 0, 1}, {0, 2, 2}) == Scores{2, 4, -8, -4, 0, 1});
  o.logits.repetition_penalty = 1;
  o.logits.encoder_repetition_penalty = 2;
  CHECK(processed(o, {4, 4, -4, -4, 0, 1}, {0}) == Scores{4, 8, -2, -2, 0, 1});
}

TEST_CASE("n-grams do not repeat") {
  const Scores same = {0, 0, 0, 0, 0, 0};
  SearchOptions o;
  o.logits.no_repeat_ngram_size = 2;
  CHECK(processed(o, same, {0}) == same);
  CHECK(processed(o, same, {0, 3, 4, 3}) == Scores{0, 0, 0, 0, kOut, 0});
  CHECK(processed(o, same, {3, 3}) == Scores{0, 0, 0, kOut, 0, 0});
  o.logits.no_repeat_ngram_size = 1;
  CHECK(processed(o, same, {0, 3}) == Scores{kOut, 0, 0, kOut, 0, 0});
  o.logits.no_repeat_ngram_size = 0;
  o.logits.encoder_no_repeat_ngram_size = 3;
  CHECK(processed(o, same, {0}) == same);
  CHECK(processed(o, same, {0, 2, 3}) == Scores{0, 0, 0, 0, kOut, 0});
}

TEST_CASE("bad words are not completed") {
  const Scores same = {0, 0, 0, 0, 0, 0};
  SearchOptions o;
  o.logits.bad_words_ids = {{5}, {1}, {3, 4}, {0, 2, 3}};
  CHECK(processed(o, same, {0}) == Scores{0, 0, 0, 0, 0, kOut});
  CHECK(processed(o, same, {0, 3}) == Scores{0, 0, 0, 0, kOut, kOut});
  CHECK(processed(o, same, {0, 2}) == Scores{0, 0, 0, kOut, 0, kOut});
}

TEST_CASE("lengths and forced tokens") {
  const Scores same = {0, 0, 0, 0, 0, 0};
  const Scores no_eos = {0, kOut, 0, 0, 0, 0};
  SearchOptions o;
  o.max_new_tokens = 4;
  o.logits.min_length = 3;
  CHECK(processed(o, same, {0, 2}) == no_eos);
  CHECK(processed(o, same, {0, 2, 2}) == same);
  o.logits.min_length = 0;
  o.logits.min_new_tokens = 2;
  CHECK(processed(o, same, {0, 2, 3}, 2) == no_eos);
  CHECK(processed(o, same, {0, 2, 3, 3}, 2) == same);
  CHECK(processed(o, same, {0, 2, 3}, 2, {1, 4}) == Scores{0, kOut, 0, 0, kOut, 0});
  o.logits = {};
  o.logits.forced_bos_token_id = 3;
  o.logits.forced_eos_token_id = {1, 2};
  o.logits.begin_suppress_tokens = {5};
  CHECK(processed(o, {9, 9, 9, 9, 9, 9}, {0}) == Scores{kOut, kOut, kOut, 0, kOut, kOut});
  CHECK(processed(o, same, {0, 3}) == Scores{0, 0, 0, 0, 0, kOut});
  CHECK(processed(o, same, {0, 3, 3}) == same);
  CHECK(processed(o, same, {0, 3, 3, 3}) == Scores{kOut, 0, 0, kOut, kOut, kOut});
  o.logits = {};
  o.logits.begin_suppress_tokens = {5};
  o.logits.suppress_tokens = {2, 4};
  CHECK(processed(o, same, {0, 3}, 2) == Scores{0, 0, kOut, 0, kOut, kOut});
  CHECK(processed(o, same, {0, 3}, 1) == Scores{0, 0, kOut, 0, kOut, 0});
}

TEST_CASE("temperature, top k and top p") {
  SearchOptions o;
  o.sampling.do_sample = true;
  o.sampling.temperature = 2;
  o.sampling.top_k = 0;
  CHECK(processed(o, {4, 2, 0, -2, 1, kOut}, {0}) == Scores{2, 1, 0, -1, 0.5f, kOut});
  o.sampling.temperature = 1;
  o.sampling.top_k = 2;
  CHECK(processed(o, {4, 2, 0, 2, 1, kOut}, {0}) == Scores{4, 2, kOut, 2, kOut, kOut});
  o.sampling.top_k = 50;
  CHECK(processed(o, {4, 2, 0, 2, 1, kOut}, {0}) == Scores{4, 2, 0, 2, 1, kOut});
  // Probabilities 1/2, 1/4, 1/8, 1/16, 1/16 and 0.
  const float ln2 = 0.693147f;
  const Scores halves = {-ln2, -3 * ln2, -2 * ln2, -4 * ln2, -4 * ln2, kOut};
  o.sampling.top_p = 0.7f;
  CHECK(processed(o, halves, {0}) == Scores{-ln2, kOut, -2 * ln2, kOut, kOut, kOut});
  o.sampling.top_p = 0.76f;
  CHECK(processed(o, halves, {0}) == Scores{-ln2, -3 * ln2, -2 * ln2, kOut, kOut, kOut});
  o.sampling.top_p = 0;
  CHECK(processed(o, halves, {0}) == Scores{-ln2, kOut, kOut, kOut, kOut, kOut});
  // A beam keeps enough tokens that one does not end.
  o.num_beams = 2;
  CHECK(processed(o, halves, {0}) == Scores{-ln2, kOut, -2 * ln2, kOut, kOut, kOut});
  const Scores none(6, kOut);
  CHECK(processed(o, none, {0}) == none);
}
