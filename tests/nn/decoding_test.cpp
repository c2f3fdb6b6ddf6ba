// SPDX-License-Identifier: Apache-2.0
// Decoding step by step against the whole-sequence pass, and results that do not depend on the rest
// of the batch.
#include <set>
#include <string>

#include "src/nn/decoder_state.h"
#include "src/nn/kv_pool.h"
#include "tests/support/catch.h"
#include "tests/support/close.h"
#include "tests/support/tiny_model.h"

namespace switchyard {
namespace {

// Logits [target tokens * vocab_size] of the whole-sequence pass.
std::vector<float> teacher_forced(TinyModel& tiny, const HostBatch& host,
                                  const CapacityOptions& capacity = {}) {
  Pass pass;
  pass.capacity = capacity;
  const ArenaScope scope(tiny.ctx->saved);
  const Batch batch = upload_batch(*tiny.ctx, tiny.ctx->saved, host, tiny.model.config());
  return tiny.read(tiny.model.logits(*tiny.ctx, pass, batch));
}

// Row `row` of a matrix with `cols` columns.
std::vector<float> row_of(const std::vector<float>& values, std::int64_t row, std::int64_t cols) {
  return {values.begin() + row * cols, values.begin() + (row + 1) * cols};
}

ModelConfig dense_config() {
  ModelConfig c = tiny_config({false}, {false, false});
  c.is_gated_act = true;
  c.dense_act_fn = Activation::gelu_new;
  c.tie_word_embeddings = c.scale_decoder_outputs = false;
  return c;
}

// Above the sizes of vectors and tiles, with tails.
ModelConfig wide_config() {
  ModelConfig c = tiny_config({false, true}, {true, false});
  c.vocab_size = 75;
  c.d_model = 40;
  c.d_kv = 10;
  c.num_heads = 3;
  c.d_ff = 70;
  c.num_experts = 5;
  c.router_bias = true;
  return c;
}

// One hypothesis of a search as the host knows it.
struct Hypothesis {
  std::size_t sentence;
  Ids tokens;  // given so far, decoder_start_token_id first
};

// The logits of the whole-sequence pass after the last token of each hypothesis.
std::vector<float> expected_logits(TinyModel& tiny, const std::vector<Ids>& sources,
                                   const std::vector<Hypothesis>& hypotheses) {
  HostBatch batch;
  for (const Hypothesis& h : hypotheses) {
    batch.source.push_back(sources[h.sentence]);
    batch.target.emplace_back(h.tokens.begin() + 1, h.tokens.end());
    batch.target.back().push_back(0);  // the label of the last position: any
    batch.sentence.push_back(0);
  }
  const std::vector<float> all = teacher_forced(tiny, batch);
  const std::int64_t vocab = tiny.model.config().vocab_size;
  std::vector<float> last;
  std::int64_t end = 0;
  for (const Ids& target : batch.target) {
    end += static_cast<std::int64_t>(target.size());
    const std::vector<float> row = row_of(all, end - 1, vocab);
    last.insert(last.end(), row.begin(), row.end());
  }
  return last;
}

// A search that picks at random: hypotheses swap and take over each other's past, sentences enter
// and leave between steps, so that rows of one step are at different positions.
void check_random_search(TinyModel& tiny, double rtol) {
  constexpr std::size_t kBeams = 2;
  const ModelConfig& c = tiny.model.config();
  const std::vector<Ids> sources = random_sentences(c, {5, 2, 40, 9, 1, 17, 33}, 3);
  std::vector<Hypothesis> hypotheses;  // of the slots in turn
  DecoderState state(*tiny.ctx, tiny.model);
  DecoderState::Step step;
  std::size_t admitted = 0;
  const auto admit = [&](std::size_t count) {
    const std::vector<Ids> batch(sources.begin() + static_cast<std::ptrdiff_t>(admitted),
                                 sources.begin() + static_cast<std::ptrdiff_t>(admitted + count));
    for (const std::int32_t slot : state.admit(batch, kBeams, {})) {
      step.slots.push_back(slot);
      hypotheses.insert(hypotheses.end(), kBeams,
                        {admitted++, {static_cast<std::int32_t>(c.decoder_start_token_id)}});
    }
  };
  const auto remove = [&](std::size_t i) {
    state.release(step.slots[i]);
    step.slots.erase(step.slots.begin() + static_cast<std::ptrdiff_t>(i));
    const auto first = hypotheses.begin() + static_cast<std::ptrdiff_t>(i * kBeams);
    hypotheses.erase(first, first + kBeams);
  };
  Rng rng(7);
  admit(3);
  for (int count = 1; count <= 50; ++count) {
    CAPTURE(count);
    step.tokens.clear();
    for (const Hypothesis& h : hypotheses) step.tokens.push_back(h.tokens.back());
    const std::vector<float> logits = tiny.read(state.step(step).logits);
    CHECK(close(logits, expected_logits(tiny, sources, hypotheses), rtol, 0) == "");

    for (std::size_t i = 0; count % 3 == 0 && i < step.slots.size(); ++i) {
      const std::vector<Hypothesis> before(
          hypotheses.begin() + static_cast<std::ptrdiff_t>(i * kBeams), hypotheses.end());
      std::vector<std::int32_t> parent;
      for (std::size_t b = 0; b < kBeams; ++b) {
        parent.push_back(static_cast<std::int32_t>(rng.below(kBeams)));
        hypotheses[i * kBeams + b] = before[static_cast<std::size_t>(parent.back())];
      }
      state.reorder(step.slots[i], parent);
    }
    for (Hypothesis& h : hypotheses)
      h.tokens.push_back(
          static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(c.vocab_size))));
    if (count == 10) admit(1);
    if (count == 20) remove(1), admit(2);
    if (count == 40) remove(0), remove(0), admit(1);
  }
  CHECK(admitted == sources.size());
}

TEST_CASE("decoder state: steps give the logits of the whole-sequence pass") {
  const bool row_invariant = GENERATE(false, true);
  CAPTURE(row_invariant);
  for (const ModelConfig& config :
       {dense_config(), tiny_config({true}, {true, true}), wide_config()}) {
    CAPTURE(config.d_model, config.is_gated_act);
    TinyModel tiny(config, {1, row_invariant});
    if (row_invariant) tiny.model.prepare(*tiny.ctx);
    check_random_search(tiny, 1e-5);
  }
}

// Rounding of activations amplifies the differences in the last bit between the two ways; in int8,
// only the steps round keys and values, to bfloat16.
TEST_CASE("decoder state: steps in bfloat16 and int8 are near the whole-sequence pass") {
  const DType type = GENERATE(DType::bf16, DType::i8);
  CAPTURE(name_of(type));
  for (const ModelConfig& config : {dense_config(), wide_config()}) {
    CAPTURE(config.d_model);
    TinyModel tiny(config, {1, true, type});
    tiny.model.prepare(*tiny.ctx);
    check_random_search(tiny, type == DType::i8 ? 0.15 : 0.1);
  }
}

TEST_CASE("decoder state: the encoder's capacity binds, a step's does not") {
  TinyModel tiny(tiny_config({true, true}, {false}));
  const ModelConfig& c = tiny.model.config();
  CapacityOptions capacity;
  capacity.expert_capacity = 1;
  const std::vector<Ids> sources = random_sentences(c, {6, 4}, 3);
  const auto first_logits = [&](const CapacityOptions& options) {
    DecoderState state(*tiny.ctx, tiny.model);
    return tiny.read(state.step({state.admit(sources, 1, options), {0, 0}, {}}).logits);
  };
  const HostBatch batch{sources, {{3}, {3}}, {0, 1}};
  CHECK(close(first_logits(capacity), teacher_forced(tiny, batch, capacity), 1e-5, 0) == "");
  CHECK(close(first_logits({}), teacher_forced(tiny, batch, capacity), 1e-3, 0) != "");
}

TEST_CASE("decoder state gives back what it took from the arena") {
  TinyModel tiny(dense_config());
  const Arena::Mark before = tiny.ctx->saved.mark();
  {
    DecoderState state(*tiny.ctx, tiny.model);
    state.step({state.admit(random_sentences(tiny.model.config(), {3}, 1), 1, {}), {0}, {}});
  }
  CHECK(tiny.ctx->saved.mark().block == before.block);
  CHECK(tiny.ctx->saved.mark().offset == before.offset);
}

TEST_CASE("decoder state: scores reach the backend with the step's indices") {
  TinyModel tiny(dense_config());
  DecoderState state(*tiny.ctx, tiny.model);
  const DecoderState::Step step{state.admit({{3, 1}}, 2, {}), {0, 0}, {-1.25f, 1e-9f}};
  CHECK(tiny.read(state.step(step).scores) == step.scores);
}

TEST_CASE("decoder state: keys and values that no hypothesis uses any longer are freed") {
  TinyModel tiny(dense_config());
  DecoderState state(*tiny.ctx, tiny.model);
  const std::vector<std::int32_t> slots = state.admit({{3, 4, 1}, {5, 1}}, 3, {});
  CHECK(state.rows_in_use() == 5);
  const auto step = [&] { state.step({slots, Ids(6, 2), {}}); };
  for (int i = 0; i < 4; ++i) step();
  CHECK(state.rows_in_use() == 5 + 2 * 3 * 4);
  const std::vector<std::int32_t> first = {0, 0, 0}, swapped = {1, 0, 2}, middle = {2, 1, 1};
  state.reorder(slots[0], first);
  CHECK(state.rows_in_use() == 5 + 4 + 3 * 4);
  state.reorder(slots[1], swapped);
  CHECK(state.rows_in_use() == 5 + 4 + 3 * 4);
  step();  // slot 0: four common rows and a row each
  CHECK(state.rows_in_use() == 5 + (4 + 3) + 3 * 5);
  state.reorder(slots[0], middle);
  CHECK(state.rows_in_use() == 5 + (4 + 2) + 3 * 5);
  state.release(slots[1]);
  CHECK(state.rows_in_use() == 3 + (4 + 2));
  state.release_all();
  CHECK(state.rows_in_use() == 0);
}

TEST_CASE("key pool: rows are distinct, reused, and keep their content when the pool grows") {
  const auto ctx = make_context({});
  KvPool pool(*ctx, 2, 3);
  CHECK(pool.rows() == 0);
  std::set<std::int32_t> taken{pool.take()};
  const std::int32_t row = *taken.begin();
  for (std::int64_t block = 0; block < 2; ++block) {
    fill(*ctx, static_cast<float>(block), pool.keys(block).slice_rows(row, 1));
    fill(*ctx, static_cast<float>(block) + 10, pool.values(block).slice_rows(row, 1));
  }
  const std::int64_t rows = pool.rows();
  while (pool.rows() == rows) taken.insert(pool.take());
  CHECK(pool.rows() == 2 * rows);
  CHECK(static_cast<std::int64_t>(taken.size()) == rows + 1);
  CHECK(*taken.begin() >= 0);
  CHECK(*taken.rbegin() < pool.rows());
  for (std::int64_t block = 0; block < 2; ++block) {
    std::vector<float> keys(3), values(3);
    download(*ctx, pool.keys(block).slice_rows(row, 1), keys.data(), 3);
    download(*ctx, pool.values(block).slice_rows(row, 1), values.data(), 3);
    CHECK(keys == std::vector<float>(3, static_cast<float>(block)));
    CHECK(values == std::vector<float>(3, static_cast<float>(block) + 10));
  }
  for (const std::int32_t r : taken) pool.give_back(r);
  CHECK(pool.free_rows() == pool.rows());
  for (std::size_t i = 0; i < taken.size(); ++i) pool.take();
  CHECK(pool.rows() == 2 * rows);
}

// Sentences `which` of `all` as one batch.
HostBatch choose(const HostBatch& all, const std::vector<std::size_t>& which) {
  HostBatch batch;
  for (const std::size_t i : which) {
    batch.source.push_back(all.source[i]);
    batch.target.push_back(all.target[i]);
    batch.sentence.push_back(all.sentence[i]);
  }
  return batch;
}

TEST_CASE("batch invariance: a sentence's logits have the same bits in every batch") {
  const int threads = GENERATE(1, 2);
  CAPTURE(threads);
  TinyModel tiny(wide_config(), {threads, true});
  tiny.model.prepare(*tiny.ctx);
  const std::int64_t vocab = tiny.model.config().vocab_size;
  std::vector<std::int64_t> source_lengths, target_lengths;
  for (std::int64_t i = 0; i < 40; ++i) {
    source_lengths.push_back(1 + (i * 7) % 23);
    target_lengths.push_back(1 + (i * 11) % 19);
  }
  const HostBatch all = random_batch(tiny.model.config(), source_lengths, target_lengths, 3);
  // Alone, in a context of one thread.
  TinyModel single(wide_config(), {1, true});
  single.model.prepare(*single.ctx);
  std::vector<std::vector<float>> alone;
  for (std::size_t i = 0; i < all.source.size(); ++i)
    alone.push_back(teacher_forced(single, choose(all, {i})));

  for (const std::size_t count : {1, 2, 3, 7, 16, 40}) {
    std::vector<std::size_t> which;  // 13 and 40 have no common factor: a mixed order
    for (std::size_t i = 0; i < count; ++i) which.push_back((i * 13 + 5) % 40);
    const std::vector<float> together = teacher_forced(tiny, choose(all, which));
    std::int64_t row = 0;
    for (const std::size_t i : which) {
      CAPTURE(count, i);
      const auto rows = static_cast<std::int64_t>(all.target[i].size());
      CHECK(std::vector<float>(together.begin() + row * vocab,
                               together.begin() + (row + rows) * vocab) == alone[i]);
      row += rows;
    }
  }
}

TEST_CASE("batch invariance: a hypothesis's step has the same bits in every batch") {
  const int threads = GENERATE(1, 2);
  CAPTURE(threads);
  constexpr int kSteps = 18;
  TinyModel tiny(wide_config(), {threads, true});
  tiny.model.prepare(*tiny.ctx);
  const std::int64_t vocab = tiny.model.config().vocab_size;
  const std::vector<Ids> all = random_sentences(tiny.model.config(), {5, 2, 17, 1, 30, 8}, 3);
  const auto token = [&](std::size_t sentence, int step) {
    return step == 0 ? 0 : static_cast<std::int32_t>((sentence * 31 + 7 * step) % 75);
  };
  // The logits of the last step for each row.
  const auto decode = [&](const std::vector<std::size_t>& which, std::int64_t beams) {
    std::vector<Ids> sources;
    for (const std::size_t i : which) sources.push_back(all[i]);
    DecoderState state(*tiny.ctx, tiny.model);
    DecoderState::Step input;
    input.slots = state.admit(sources, beams, {});
    std::vector<float> logits;
    for (int step = 0; step < kSteps; ++step) {
      input.tokens.clear();
      for (const std::size_t i : which)
        for (std::int64_t b = 0; b < beams; ++b) input.tokens.push_back(token(i, step));
      logits = tiny.read(state.step(input).logits);
    }
    return logits;
  };
  std::vector<std::vector<float>> alone;
  for (std::size_t i = 0; i < all.size(); ++i) alone.push_back(decode({i}, 1));
  for (const std::int64_t beams : {1, 3, 5}) {
    const std::vector<std::size_t> which = {4, 0, 5, 2, 1, 3};
    const std::vector<float> together = decode(which, beams);
    for (std::size_t r = 0; r < which.size() * static_cast<std::size_t>(beams); ++r) {
      CAPTURE(beams, r);
      CHECK(row_of(together, static_cast<std::int64_t>(r), vocab) ==
            alone[which[r / static_cast<std::size_t>(beams)]]);
    }
  }
}

}  // namespace
}  // namespace switchyard
