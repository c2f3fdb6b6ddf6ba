// SPDX-License-Identifier: Apache-2.0
// The searches and the translator over a small random model: against the transcription of
// transformers' search, and that nothing but the sentence itself decides its translation.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>

#include "src/core/error.h"
#include "src/core/rng.h"
#include "src/decode/beam_search.h"
#include "src/decode/greedy.h"
#include "src/decode/translator.h"
#include "src/nn/decoder_state.h"
#include "tests/decode/hf_beam_search.h"
#include "tests/support/catch.h"

using namespace switchyard;

namespace {

constexpr std::int64_t kVocab = 24;

ModelConfig small_config() {
  ModelConfig c;
  c.vocab_size = kVocab;
  c.d_model = 16;
  c.d_kv = 6;
  c.num_heads = 3;
  c.d_ff = 20;
  c.num_layers = 2;
  c.num_decoder_layers = 2;
  c.num_experts = 4;
  c.encoder_sparse = {false, true};
  c.decoder_sparse = {true, false};
  return c;
}

struct RandomModel {
  std::unique_ptr<Context> ctx = make_context({1, true});
  Model model;
  ParamBuffer values{*ctx, model.layout()};

  explicit RandomModel(std::uint64_t seed, const ModelConfig& config = small_config())
      : model(config) {
    initialise(*ctx, model, seed, {.hf = true}, values);
    // Attention and experts loud enough that the output depends on the source and the position.
    model.each_param([&](const Param& p) {
      const bool matrix = !p.vector && p.name != "shared.weight";
      scale(*ctx, matrix ? 3.0f : 1.0f, values[p], values[p]);
    });
    model.bind(*ctx, values);
  }
};

std::vector<Ids> random_sources(std::uint64_t seed, std::size_t count) {
  Rng rng(seed);
  std::vector<Ids> sources(count);
  for (Ids& s : sources) {
    const std::uint64_t length = 1 + rng.below(12);
    for (std::uint64_t i = 0; i < length; ++i)
      s.push_back(static_cast<std::int32_t>(2 + rng.below(kVocab - 2)));
    s.push_back(1);
  }
  return sources;
}

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

bool same_bits(const std::vector<NBest>& a, const std::vector<NBest>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t s = 0; s < a.size(); ++s) {
    if (a[s].size() != b[s].size()) return false;
    for (std::size_t r = 0; r < a[s].size(); ++r)
      if (a[s][r].ids != b[s][r].ids || a[s][r].score != b[s][r].score) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("beam search over a model is transformers'") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    RandomModel random(seed);
    const std::vector<Ids> sources = random_sources(seed, 6);
    SearchOptions options;
    options.num_beams = 1 + static_cast<std::int64_t>(seed % 4);
    options.num_return_sequences = options.num_beams;
    options.max_new_tokens = 10;
    options.length_penalty = seed % 2 ? 1.0f : 2.0f;
    options.early_stopping = seed % 3 == 0;
    const LogProbs log_probs = [&](std::size_t sentence, const Ids& prefix) {
      return model_log_probs(*random.ctx, random.model, sources[sentence], prefix);
    };
    const auto expected = hf_beam_search(sources.size(), kVocab, 1, log_probs, options);
    const auto actual = beam_search(*random.ctx, random.model, sources, options);
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
    options.early_stopping = options.num_beams == 1;  // a beam of one ends as greedy search does
    options.scores = true;
    const auto search = options.num_beams == 1 ? greedy_search : beam_search;
    const auto free = search(*random.ctx, random.model, sources, options);
    options.suppressed_id = free[0][0].ids[0];
    const LogProbs log_probs = [&](std::size_t sentence, const Ids& prefix) {
      auto row = model_log_probs(*random.ctx, random.model, sources[sentence], prefix);
      row[static_cast<std::size_t>(options.suppressed_id)] =
          -std::numeric_limits<float>::infinity();
      return row;
    };
    const auto expected = hf_beam_search(sources.size(), kVocab, 1, log_probs, options);
    const auto actual = search(*random.ctx, random.model, sources, options);
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
  options.early_stopping = true;
  options.scores = true;
  const auto greedy = greedy_search(*random.ctx, random.model, sources, options);
  const auto beam = beam_search(*random.ctx, random.model, sources, options);
  std::size_t ended = 0;
  for (std::size_t s = 0; s < sources.size(); ++s) {
    CHECK(greedy[s][0].ids == beam[s][0].ids);
    CHECK(std::abs(greedy[s][0].score - beam[s][0].score) < 1e-5f);
    ended += greedy[s][0].ids.size() < 12;
  }
  CHECK(ended > 0);  // or the test shows nothing
  options.scores = false;
  CHECK(greedy_search(*random.ctx, random.model, sources, options)[0][0].score == 0);
}

TEST_CASE("a translation depends on nothing but its sentence, to the bit") {
  RandomModel random(11);
  random.model.prepare(*random.ctx);
  std::vector<Ids> sources = random_sources(11, 70);
  sources[3] = Ids(40, 5);
  sources[3].push_back(1);
  const std::int64_t beams = GENERATE(1, 3);
  TranslatorOptions options;
  options.search.num_beams = options.search.num_return_sequences = beams;
  options.search.max_new_tokens = 9;
  options.search.scores = true;
  const auto expected = Translator(random.model, options).translate(sources);

  for (const std::int64_t mini_batch : {1, 2, 7, 64}) {
    for (const int workers : {1, 3}) {
      CAPTURE(beams, mini_batch, workers);
      options.mini_batch = mini_batch;
      options.workers = workers;
      Translator translator(random.model, options);
      CHECK(same_bits(translator.translate(sources), expected));
      const std::vector<Ids> backwards(sources.rbegin(), sources.rend());
      auto result = translator.translate(backwards);
      std::reverse(result.begin(), result.end());
      CHECK(same_bits(result, expected));
    }
  }
  options.threads = 2;
  options.workers = 1;
  CHECK(same_bits(Translator(random.model, options).translate(sources), expected));
  CHECK(Translator(random.model, options).translate({}).empty());
}

TEST_CASE("batches of translation: longest first, limited in sequences and tokens") {
  const std::vector<Ids> sources = {Ids(200),  Ids(1), Ids(9000), Ids(6000),
                                    Ids(2192), Ids(2), Ids(3)};
  using Batches = std::vector<std::vector<std::size_t>>;
  REQUIRE(std::size_t{6000} + 2192 == kMaxBatchTokens);
  CHECK(translation_batches(sources, 100) == Batches{{2}, {3, 4}, {0, 6, 5, 1}});
  CHECK(translation_batches(sources, 3) == Batches{{2}, {3, 4}, {0, 6, 5}, {1}});
  CHECK(translation_batches(sources, 1) == Batches{{2}, {3}, {4}, {0}, {6}, {5}, {1}});
  CHECK(translation_batches({}, 3).empty());
}

TEST_CASE("eos suppressed: every hypothesis has exactly the forced length") {
  RandomModel random(7);
  const std::vector<Ids> sources = random_sources(7, 20);
  SearchOptions options;
  options.max_new_tokens = 11;
  options.length_penalty = 0;  // a sum of log-probabilities: short ones win
  options.num_beams = GENERATE(1, 4);
  const auto search = [&] {
    return options.num_beams == 1 ? greedy_search(*random.ctx, random.model, sources, options)
                                  : beam_search(*random.ctx, random.model, sources, options);
  };
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
  const std::int32_t said = greedy_search(*random.ctx, random.model, sources, options)[0][0].ids[0];
  // What it is given next is no number.
  fill(*random.ctx, std::numeric_limits<float>::quiet_NaN(),
       random.values[random.model.shared].slice_rows(said, 1));
  CHECK_THROWS_AS(greedy_search(*random.ctx, random.model, sources, options), Error);
}

TEST_CASE("a model that gives NaN, and options out of range, are errors") {
  RandomModel random(17);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  TranslatorOptions options;
  options.search.num_beams = GENERATE(1, 2);
  options.workers = 2;
  options.mini_batch = 1;
  const View head = random.values[random.model.decoder.final_norm.weight];
  upload(*random.ctx, std::vector<float>(static_cast<std::size_t>(head.size()), nan).data(),
         head.size(), head);
  Translator translator(random.model, options);
  CHECK_THROWS_AS(translator.translate(random_sources(17, 5)), Error);
  for (const std::int32_t id : {-1, static_cast<std::int32_t>(kVocab)})
    CHECK_THROWS_AS(translator.translate({{5, id, 1}}), Error);

  options.search.num_return_sequences = 3;
  CHECK_THROWS_AS(Translator(random.model, options), Error);
  options.search.num_return_sequences = 1;
  options.search.max_new_tokens = 0;
  CHECK_THROWS_AS(Translator(random.model, options), Error);
  options.search.max_new_tokens = 5;
  options.mini_batch = 0;
  CHECK_THROWS_AS(Translator(random.model, options), Error);
}
