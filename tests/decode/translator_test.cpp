// SPDX-License-Identifier: Apache-2.0
// The translator over a small random model: nothing but the sentence itself decides its
// translation.
#include "src/decode/translator.h"

#include <algorithm>
#include <limits>

#include "src/core/error.h"
#include "src/decode/search.h"
#include "src/decode/translation_queue.h"
#include "tests/decode/random_model.h"
#include "tests/support/catch.h"

using namespace switchyard;

TEST_CASE("a translation is bit-identical to that of the sentence alone") {
  const DType compute_type = GENERATE(DType::f32, DType::bf16, DType::i8);
  RandomModel random(11);
  random.model.prepare(*make_context({1, true, compute_type}));
  std::vector<Ids> sources = random_sources(11, 70);
  sources[3] = Ids(40, 5);
  sources[3].push_back(1);
  const std::int64_t beams = GENERATE(1, 3);
  TranslatorOptions options;
  options.compute_type = compute_type;
  options.search.num_beams = options.search.num_return_sequences = beams;
  options.search.max_new_tokens = 9;
  options.search.scores = true;
  std::vector<NBest> expected;
  Translator single(random.model, options);
  for (const Ids& source : sources) expected.push_back(single.translate({source})[0]);

  for (const std::int64_t mini_batch : {1, 2, 5, 7, 64}) {
    for (const int workers : {1, 3}) {
      CAPTURE(name_of(compute_type), beams, mini_batch, workers);
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

TEST_CASE("a single sentence is translated alike with the threads of one worker and of all") {
  RandomModel random(14);
  const std::vector<Ids> sources = random_sources(14, 4);
  TranslatorOptions options;
  options.compute_type = GENERATE(DType::f32, DType::i8);
  options.search.num_beams = GENERATE(1, 3);
  options.search.scores = true;
  random.model.prepare(*make_context({1, true, options.compute_type}));
  Translator alone(random.model, options);
  options.workers = 2;
  Translator translator(random.model, options);
  for (int i = 0; i < 40; ++i) {  // several trials, and steps between them
    const std::vector<Ids> source = {sources[static_cast<std::size_t>(i) % sources.size()]};
    CHECK(same_bits(translator.translate(source), alone.translate(source)));
    if (i == 20) CHECK(same_bits(translator.translate(sources), alone.translate(sources)));
  }
}

TEST_CASE("without row_invariant results depend neither on timing nor on the workers") {
  // Large enough that a library matmul rounds differently for another number of rows.
  ModelConfig config = small_config();
  config.d_model = 96;
  config.d_kv = 32;
  config.d_ff = 256;
  RandomModel random(12, config);
  const std::vector<Ids> sources = random_sources(12, 40);
  TranslatorOptions options;
  options.row_invariant = false;
  options.search.num_beams = GENERATE(1, 3);
  options.search.max_new_tokens = 9;
  options.search.scores = true;
  options.mini_batch = 5;
  const auto expected = Translator(random.model, options).translate(sources);
  options.workers = 3;
  Translator translator(random.model, options);
  for (int i = 0; i < 2; ++i) CHECK(same_bits(translator.translate(sources), expected));
}

TEST_CASE("a prefix of the model's own translation gives the same one, others are continued") {
  RandomModel random(13);
  const std::vector<Ids> sources = random_sources(13, 20);
  TranslatorOptions options;
  options.mini_batch = 4;
  options.search.max_new_tokens = 9;
  Translator translator(random.model, options);
  const auto expected = translator.translate(sources);
  std::vector<Ids> prefixes;
  for (std::size_t s = 0; s < sources.size(); ++s) {
    const Ids& ids = expected[s][0].ids;
    const std::size_t length = std::min(s % 5, ids.size() - 1);
    prefixes.emplace_back(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(length));
  }
  CHECK(same_bits(translator.translate(sources, prefixes), expected));
  for (Ids& prefix : prefixes) prefix = {7, 9};
  for (const NBest& n_best : translator.translate(sources, prefixes)) {
    const Ids& ids = n_best[0].ids;
    CHECK(ids.size() > 2);
    CHECK(Ids(ids.begin(), ids.begin() + 2) == Ids{7, 9});
  }
}

TEST_CASE("a model's values may change between calls") {
  RandomModel random(15);
  const std::vector<Ids> sources = random_sources(15, 20);
  TranslatorOptions options;
  options.search.max_new_tokens = 40;
  options.search.suppressed_id = 1;
  Translator translator(random.model, options);
  const auto before = translator.translate(sources);
  const View bias = random.values[random.model.decoder.position.table];
  scale(*random.ctx, -1, bias, bias);
  const auto expected = Translator(random.model, options).translate(sources);
  REQUIRE(!same_bits(expected, before));
  CHECK(same_bits(translator.translate(sources), expected));
}

TEST_CASE("results come one by one, and what a receiver throws ends the call") {
  RandomModel random(14);
  const std::vector<Ids> sources = random_sources(14, 20);
  TranslatorOptions options;
  options.mini_batch = 3;
  options.workers = 2;
  options.search.max_new_tokens = 9;
  Translator translator(random.model, options);
  const auto fail = [](std::size_t, const NBest&) { throw Error(ErrorKind::kRuntime, "full"); };
  CHECK_THROWS_AS(translator.translate(sources, {}, fail), Error);
  const auto result = translator.translate(sources);
  CHECK(same_bits(result, Translator(random.model, options).translate(sources)));
}

TEST_CASE("many results take little memory: no spare capacity, and sources may be freed") {
  RandomModel random(19);
  std::vector<Ids> sources = random_sources(19, 20);
  TranslatorOptions options;
  options.mini_batch = 3;
  options.workers = 2;
  options.search.num_beams = options.search.num_return_sequences = GENERATE(1, 3);
  options.search.max_new_tokens = 9;
  Translator translator(random.model, options);
  const std::vector<Ids> prefixes(sources.size(), Ids{2});
  const std::vector<NBest> expected = translator.translate(sources, prefixes);
  std::vector<NBest> found(sources.size());
  translator.translate(sources, prefixes, [&](std::size_t i, NBest hypotheses) {
    found[i] = std::move(hypotheses);
    sources[i] = Ids();
  });
  CHECK(same_bits(found, expected));
  for (const NBest& best : found) {
    CHECK(best.capacity() == best.size());
    for (const Hypothesis& h : best) CHECK(h.ids.capacity() == h.ids.size());
  }
}

TEST_CASE("queue: longest first, limited in sentences and tokens") {
  const std::vector<Ids> sources = {Ids(200),  Ids(1), Ids(9000), Ids(6000),
                                    Ids(2192), Ids(2), Ids(3)};
  using Numbers = std::vector<std::size_t>;
  TranslationQueue queue(sources, 6000 + 2192, sources.size());
  CHECK(queue.take(0, 0) == Numbers{});
  CHECK(queue.take(100, 1) == Numbers{});  // the long one waits until it is alone
  CHECK(queue.take(100, 0) == Numbers{2});
  CHECK(queue.take(100, 9000) == Numbers{});
  CHECK(queue.take(100, 2000) == Numbers{3});
  CHECK(queue.take(2, 6000) == Numbers{4});
  CHECK(queue.take(2, 0) == Numbers{0, 6});
  CHECK(queue.take(1, 8190) == Numbers{5});
  queue.close();
  CHECK(queue.take(1, 0) == Numbers{});
}

TEST_CASE("queue: every window is sorted by itself") {
  const std::vector<Ids> sources = {Ids(2), Ids(3), Ids(1), Ids(9), Ids(9), Ids(30), Ids(4)};
  TranslationQueue queue(sources, 1000, 3);
  CHECK(queue.take(100, 0) == std::vector<std::size_t>{1, 0, 2, 5, 3, 4, 6});
}

TEST_CASE("phases are timed on request, over all workers and calls") {
  RandomModel random(18);
  TranslatorOptions options;
  options.search.suppressed_id = 1;  // eos
  options.search.max_new_tokens = 6;
  options.workers = 2;
  options.mini_batch = 2;
  Translator translator(random.model, options);
  const std::vector<Ids> sources = random_sources(18, 4);
  translator.translate(sources);
  CHECK(translator.times().steps == 0);
  CHECK(translator.times().seconds == DecodeSeconds{});

  translator.time_phases();
  translator.translate(sources);
  const DecodeTimes once = translator.times();
  CHECK(once.steps >= 2 * 6);  // more if one worker takes a sentence later than another
  for (const double seconds : once.seconds) CHECK(seconds > 0);
  translator.translate(sources);
  CHECK(translator.times().steps >= once.steps + 2 * 6);
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
