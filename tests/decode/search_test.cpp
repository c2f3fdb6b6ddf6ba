// SPDX-License-Identifier: Apache-2.0
// Search over a small random model, against the transcription of transformers' search.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <utility>

#include "src/core/error.h"
#include "src/decode/search.h"
#include "src/nn/decoder_state.h"
#include "tests/decode/hf_beam_search.h"
#include "tests/decode/random_model.h"
#include "tests/support/catch.h"

using namespace switchyard;

namespace {

// One sentence, one prefix, from the start each time.
std::vector<float> model_log_probs(Context& ctx, const Model& model, const Ids& source,
                                   const Ids& prefix) {
  DecoderState state(ctx, model);
  const std::vector<std::int32_t> slots = state.admit({source}, 1, {});
  View logits = state.step({slots, {0}, {}}).logits;
  for (const std::int32_t id : prefix) logits = state.step({slots, {id}, {}}).logits;
  std::vector<float> row(kVocab);
  download(ctx, logits, row.data(), kVocab);
  double sum = 0;
  for (const float x : row) sum += std::exp(static_cast<double>(x));
  for (float& x : row) x = static_cast<float>(x - std::log(sum));
  return row;
}

}  // namespace

TEST_CASE("beam search over a model is transformers'") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    RandomModel random(seed);
    const std::vector<Ids> sources = random_sources(seed, 6);
    SearchOptions options;
    options.num_beams = 2 + static_cast<std::int64_t>(seed % 3);
    options.num_return_sequences = options.num_beams;
    options.max_new_tokens = 10;
    options.length_penalty = seed % 2 ? 1.0f : 2.0f;
    options.early_stopping = seed % 3 == 0 ? EarlyStopping::kTrue : EarlyStopping::kFalse;
    const LogProbs log_probs = [&](std::size_t sentence, const Ids& prefix) {
      return model_log_probs(*random.ctx, random.model, sources[sentence], prefix);
    };
    const auto expected = hf_beam_search(sources.size(), kVocab, {1}, log_probs, options);
    const auto actual = search_batch(*random.ctx, random.model, sources, options);
    for (std::size_t s = 0; s < sources.size(); ++s) {
      REQUIRE(actual[s].size() == expected[s].size());
      for (std::size_t r = 0; r < actual[s].size(); ++r) {
        CAPTURE(seed, s, r);
        CHECK(actual[s][r].ids == expected[s][r].ids);
        CHECK(std::abs(actual[s][r].score - expected[s][r].score) < 1e-5f);
        if (r > 0) CHECK(actual[s][r - 1].score >= actual[s][r].score);
      }
    }
  }
}

TEST_CASE("a suppressed id is never chosen, as with Hugging Face's suppress_tokens") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    RandomModel random(seed);
    const std::vector<Ids> sources = random_sources(seed, 6);
    SearchOptions options;
    options.num_beams = 1 + static_cast<std::int64_t>(seed % 2) * 2;
    options.max_new_tokens = 8;
    // A beam of one ends as greedy search does.
    if (options.num_beams == 1) options.early_stopping = EarlyStopping::kTrue;
    options.scores = true;
    const auto free = search_batch(*random.ctx, random.model, sources, options);
    options.suppressed_id = free[0][0].ids[0];
    const LogProbs log_probs = [&](std::size_t sentence, const Ids& prefix) {
      auto row = model_log_probs(*random.ctx, random.model, sources[sentence], prefix);
      row[static_cast<std::size_t>(options.suppressed_id)] =
          -std::numeric_limits<float>::infinity();
      return row;
    };
    const auto expected = hf_beam_search(sources.size(), kVocab, {1}, log_probs, options);
    const auto actual = search_batch(*random.ctx, random.model, sources, options);
    for (std::size_t s = 0; s < sources.size(); ++s) {
      CAPTURE(seed, s);
      const Ids& ids = actual[s][0].ids;
      CHECK(std::count(ids.begin(), ids.end(), options.suppressed_id) == 0);
      CHECK(ids == expected[s][0].ids);
      CHECK(std::abs(actual[s][0].score - expected[s][0].score) < 1e-5f);
    }
  }
}

TEST_CASE("greedy search is a beam of one that stops at its first end") {
  RandomModel random(7);
  const std::vector<Ids> sources = random_sources(7, 20);
  SearchOptions options;
  options.max_new_tokens = 12;
  options.length_penalty = 0.5f;
  options.early_stopping = EarlyStopping::kTrue;
  options.scores = true;
  const LogProbs log_probs = [&](std::size_t sentence, const Ids& prefix) {
    return model_log_probs(*random.ctx, random.model, sources[sentence], prefix);
  };
  const auto greedy = search_batch(*random.ctx, random.model, sources, options);
  const auto beam = hf_beam_search(sources.size(), kVocab, {1}, log_probs, options);
  std::size_t ended = 0;
  for (std::size_t s = 0; s < sources.size(); ++s) {
    CHECK(greedy[s][0].ids == beam[s][0].ids);
    CHECK(std::abs(greedy[s][0].score - beam[s][0].score) < 1e-5f);
    ended += greedy[s][0].ids.size() < 12;
  }
  CHECK(ended > 0);  // or the test shows nothing
  options.scores = false;
  CHECK(search_batch(*random.ctx, random.model, sources, options)[0][0].score == 0);
}

TEST_CASE("eos suppressed: every hypothesis has exactly the forced length") {
  RandomModel random(7);
  const std::vector<Ids> sources = random_sources(7, 20);
  SearchOptions options;
  options.max_new_tokens = 11;
  options.length_penalty = 0;  // a sum of log-probabilities: short ones win
  options.num_beams = GENERATE(1, 4);
  const auto search = [&] { return search_batch(*random.ctx, random.model, sources, options); };
  const auto free = search();
  CHECK(std::any_of(free.begin(), free.end(),
                    [](const NBest& n_best) { return n_best[0].ids.size() < 11; }));
  options.suppressed_id = 1;
  for (const NBest& n_best : search()) {
    REQUIRE(n_best.size() == 1);
    CHECK(n_best[0].ids.size() == 11);
    CHECK(std::count(n_best[0].ids.begin(), n_best[0].ids.end(), 1) == 0);
  }
}

TEST_CASE("greedy: logits that are not finite after the first step are an error, too") {
  ModelConfig config = small_config();
  config.tie_word_embeddings = false;
  RandomModel random(17, config);
  SearchOptions options;
  options.max_new_tokens = 6;
  options.suppressed_id = 1;
  const std::vector<Ids> sources = {{5, 6, 1}};
  const std::int32_t said = search_batch(*random.ctx, random.model, sources, options)[0][0].ids[0];
  // What it is given next is no number.
  fill(*random.ctx, std::numeric_limits<float>::quiet_NaN(),
       random.values[random.model.shared].slice_rows(said, 1));
  CHECK_THROWS_AS(search_batch(*random.ctx, random.model, sources, options), Error);
}

TEST_CASE("all finished hypotheses: the n-best list first, others behind it") {
  std::size_t more = 0;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    RandomModel random(seed);
    const std::vector<Ids> sources = random_sources(seed, 10);
    SearchOptions options;
    options.num_beams = options.num_return_sequences = 3;
    options.max_new_tokens = 12;
    const auto n_best = search_batch(*random.ctx, random.model, sources, options);
    options.return_all = true;
    const auto all = search_batch(*random.ctx, random.model, sources, options);
    for (std::size_t s = 0; s < sources.size(); ++s) {
      REQUIRE(all[s].size() >= 3);
      CHECK(same_bits(NBest(all[s].begin(), all[s].begin() + 3), n_best[s]));
      more += all[s].size() - 3;
      for (std::size_t r = 1; r < all[s].size(); ++r) CHECK(all[s][r - 1].score >= all[s][r].score);
    }
  }
  CHECK(more > 0);
}

TEST_CASE("a forced prefix is continued as transformers continues it") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    RandomModel random(seed);
    const std::vector<Ids> sources = random_sources(seed, 6);
    SearchOptions options;
    options.num_beams = options.num_return_sequences = 1 + static_cast<std::int64_t>(seed % 3);
    // A beam of one ends as greedy search does.
    if (options.num_beams == 1) options.early_stopping = EarlyStopping::kTrue;
    options.max_new_tokens = 10;
    options.scores = true;
    const Ids prefixes[] = {{}, {7}, {5, 9, 3}, {4, 4, 4, 4, 4, 4, 4, 4, 4}};
    Search search(*random.ctx, random.model, options);
    std::vector<SearchRequest> requests;
    for (std::size_t s = 0; s < sources.size(); ++s)
      requests.push_back({s, sources[s], prefixes[s % 4]});
    search.admit(requests);
    std::vector<NBest> actual(sources.size());
    while (search.active() > 0) {
      search.step();
      for (SearchResult& found : search.take_finished()) actual[found.number] = found.hypotheses;
    }
    for (std::size_t s = 0; s < sources.size(); ++s) {
      CAPTURE(seed, s);
      const Ids& prefix = prefixes[s % 4];
      SearchOptions rest = options;
      rest.max_new_tokens -= static_cast<std::int64_t>(prefix.size());
      const LogProbs log_probs = [&](std::size_t, const Ids& continuation) {
        Ids ids = prefix;
        ids.insert(ids.end(), continuation.begin(), continuation.end());
        return model_log_probs(*random.ctx, random.model, sources[s], ids);
      };
      const NBest expected = hf_beam_search(1, kVocab, {1}, log_probs, rest)[0];
      REQUIRE(actual[s].size() == expected.size());
      for (std::size_t r = 0; r < expected.size(); ++r) {
        Ids ids = prefix;
        ids.insert(ids.end(), expected[r].ids.begin(), expected[r].ids.end());
        CHECK(actual[s][r].ids == ids);
        CHECK(std::abs(actual[s][r].score - expected[r].score) < 1e-5f);
      }
    }
    for (const Ids& prefix :
         {Ids(10, 4), Ids{4, 1}, Ids{-1}, Ids{static_cast<std::int32_t>(kVocab)}})
      CHECK_THROWS_AS(search.admit({{0, {5, 1}, prefix}}), Error);
    CHECK(search.active() == 0);
  }
}

TEST_CASE("sentences that enter between steps are searched as if they were alone") {
  RandomModel random(5);
  const std::vector<Ids> sources = random_sources(5, 30);
  SearchOptions options;
  options.num_beams = options.num_return_sequences = GENERATE(1, 3);
  options.max_new_tokens = 12;
  options.scores = true;
  std::vector<NBest> alone;
  for (const Ids& source : sources)
    alone.push_back(search_batch(*random.ctx, random.model, {source}, options)[0]);
  Search search(*random.ctx, random.model, options);
  std::vector<NBest> together(sources.size());
  Rng rng(3);
  for (std::size_t next = 0; next < sources.size() || search.active() > 0;) {
    std::vector<SearchRequest> requests;
    for (std::uint64_t count = rng.below(4); count > 0 && next < sources.size(); --count, ++next)
      requests.push_back({next, sources[next], {}});
    if (!requests.empty()) search.admit(requests);
    if (search.active() > 0) search.step();
    for (SearchResult& found : search.take_finished())
      together[found.number] = std::move(found.hypotheses);
  }
  CHECK(same_bits(together, alone));
}

TEST_CASE("in the steady state a search takes no memory from the backend") {
  RandomModel random(6);
  class Counting : public Memory {
   public:
    explicit Counting(std::shared_ptr<Memory> memory) : memory_(std::move(memory)) {}
    void* allocate(std::size_t bytes) override {
      ++allocations;
      return memory_->allocate(bytes);
    }
    void release(void* data, std::size_t bytes) noexcept override { memory_->release(data, bytes); }
    int allocations = 0;

   private:
    std::shared_ptr<Memory> memory_;
  };
  const auto memory = std::make_shared<Counting>(random.ctx->memory);
  random.ctx->memory = memory;
  const std::vector<Ids> sources = random_sources(6, 60);
  SearchOptions options;
  options.num_beams = GENERATE(1, 4);
  options.max_new_tokens = 40;  // several pages
  options.suppressed_id = 1;
  Search search(*random.ctx, random.model, options);
  const auto run = [&](std::size_t slots) {
    for (std::size_t next = 0; next < sources.size() || search.active() > 0;) {
      if (search.active() < slots && next < sources.size()) {
        search.admit({{next, sources[next], {}}});
        ++next;
      }
      search.step();
      search.take_finished();
    }
  };
  run(20);
  const int before = memory->allocations;
  const std::size_t grown = random.ctx->saved.grown_bytes() + random.ctx->scratch.grown_bytes();
  CHECK(before > 0);
  run(20);
  run(13);
  CHECK(memory->allocations == before);
  CHECK(random.ctx->saved.grown_bytes() + random.ctx->scratch.grown_bytes() == grown);
}

TEST_CASE("a search that was cleared starts afresh") {
  RandomModel random(5);
  const std::vector<Ids> sources = random_sources(5, 8);
  SearchOptions options;
  options.num_beams = GENERATE(1, 2);
  const auto expected = search_batch(*random.ctx, random.model, sources, options);
  Search search(*random.ctx, random.model, options);
  search.admit({{7, sources[0], {}}, {9, sources[1], {}}});
  search.step();
  search.clear();
  CHECK(search.active() == 0);
  std::vector<SearchRequest> requests;
  for (std::size_t s = 0; s < sources.size(); ++s) requests.push_back({s, sources[s], {}});
  search.admit(requests);
  std::size_t seen = 0;
  while (search.active() > 0) {
    search.step();
    for (const SearchResult& found : search.take_finished()) {
      CHECK(same_bits(found.hypotheses, expected[found.number]));
      ++seen;
    }
  }
  CHECK(seen == sources.size());
}
