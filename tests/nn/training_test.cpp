// SPDX-License-Identifier: Apache-2.0
// Training steps are reproducible bit for bit, memory does not grow after the largest batch, and
// the model learns.
#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "src/nn/decoder_state.h"
#include "src/nn/loss.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_model.h"

namespace switchyard {
namespace {

Pass noisy_pass(std::uint64_t step) {
  Pass pass;
  pass.training = true;
  pass.dropout_rate = 0.1f;
  pass.jitter_noise = 0.01f;
  pass.seed = 1;
  pass.step = step;
  return pass;
}

ModelConfig small_config() {
  ModelConfig c = tiny_config({false, true}, {true});
  c.vocab_size = 40;
  c.d_model = 32;
  c.d_kv = 8;
  c.num_heads = 4;
  c.d_ff = 48;
  c.num_experts = 4;
  return c;
}

// Sentences of 1 to `longest` tokens.
HostBatch batch_of(const ModelConfig& config, std::int64_t sentences, std::int64_t longest) {
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = 0; i < sentences; ++i) lengths.push_back(1 + (i * 5) % longest);
  return random_batch(config, lengths, lengths, 3);
}

TEST_CASE("without gradients the loss is the same and no block keeps its values") {
  TinyModel tiny(small_config()), scored(small_config());
  const HostBatch batch = batch_of(tiny.model.config(), 20, 17);
  LossOptions options;
  options.label_smoothing = 0.1f;
  const LossResult with = compute_loss(*tiny.ctx, tiny.model, batch, {}, options, &tiny.grads);
  const LossResult without = compute_loss(*scored.ctx, scored.model, batch, {}, options, nullptr);
  CHECK(with.loss_sum == without.loss_sum);
  CHECK(with.nll_sum == without.nll_sum);
  CHECK(with.router_aux_loss == without.router_aux_loss);
  CHECK(with.expert_count == without.expert_count);
  REQUIRE(without.expert_count.size() == 2);
  CHECK(scored.ctx->saved.peak_bytes() < tiny.ctx->saved.peak_bytes() / 2);
}

TEST_CASE("scoring has neither jitter nor dropout") {
  TinyModel tiny(small_config());
  const HostBatch batch = batch_of(tiny.model.config(), 20, 17);
  Pass noisy = noisy_pass(1);
  noisy.jitter_noise = 0.5f;
  noisy.dropout_rate = 0.5f;
  const auto loss = [&](const Pass& pass) {
    return compute_loss(*tiny.ctx, tiny.model, batch, pass, {}, nullptr).loss_sum;
  };
  CHECK(loss(noisy) != loss({}));
  noisy.training = false;
  CHECK(loss(noisy) == loss({}));
}

TEST_CASE("a capacity factor means its decimal value") {
  ModelConfig config = small_config();
  config.encoder_sparse = {true};
  config.num_layers = 1;
  config.num_experts = 10;
  TinyModel tiny(config);
  // All experts are equally likely, so the first one gets every token.
  fill(*tiny.ctx, 0, tiny.values[tiny.model.encoder.blocks[0].sparse->router.weight]);
  const HostBatch batch = random_batch(config, {400, 600}, {2, 2}, 1);
  struct Case {
    float factor;
    std::int32_t capacity;
  };
  for (const Case c : {Case{1.2f, 120}, Case{0.8f, 80}, Case{1.1f, 110}, Case{1.001f, 101}}) {
    CAPTURE(c.factor);
    Pass pass;
    pass.capacity.capacity_factor = c.factor;
    CHECK(compute_loss(*tiny.ctx, tiny.model, batch, pass, {}, nullptr).dropped[0] ==
          1000 - c.capacity);
  }
}

TEST_CASE("compute_loss is reproducible bit for bit") {
  const int threads = GENERATE(1, 2);
  const bool bf16 = GENERATE(false, true);
  CAPTURE(threads, bf16);
  TinyModel tiny(small_config(), {threads, false, bf16 ? DType::bf16 : DType::f32});
  const HostBatch batch = batch_of(tiny.model.config(), 20, 17);
  LossOptions options;
  options.label_smoothing = 0.1f;
  options.router_aux_loss_coef = options.router_z_loss_coef = 0.1f;
  const auto gradient = [&](std::uint64_t step) {
    fill(*tiny.ctx, 0, tiny.grads.flat());
    const LossResult result =
        compute_loss(*tiny.ctx, tiny.model, batch, noisy_pass(step), options, &tiny.grads);
    std::vector<float> all = tiny.read(tiny.grads.flat());
    all.push_back(static_cast<float>(result.loss_sum));
    return all;
  };
  const std::vector<float> first = gradient(1);
  CHECK(gradient(2) != first);  // other random numbers
  CHECK(gradient(1) == first);
}

// Fills the memory that an arena hands out next.
void poison(Context& ctx, Arena& arena) {
  const ArenaScope scope(arena);
  fill(ctx, std::numeric_limits<float>::quiet_NaN(), arena.make_row(std::int64_t{1} << 20));
}

TEST_CASE("results depend neither on old memory contents nor on rows past the last") {
  const bool bf16 = GENERATE(false, true);
  const bool recompute = GENERATE(false, true);
  CAPTURE(bf16, recompute);
  TinyModel tiny(small_config(), {2, false, bf16 ? DType::bf16 : DType::f32});
  const HostBatch batch = batch_of(tiny.model.config(), 20, 17);
  Pass pass = noisy_pass(1);
  pass.recompute = recompute;
  pass.capacity.capacity_factor = 1;  // some tokens have no slot
  LossOptions options;
  options.router_aux_loss_coef = options.router_z_loss_coef = 0.1f;
  const auto results = [&] {
    fill(*tiny.ctx, 0, tiny.grads.flat());
    const LossResult loss = compute_loss(*tiny.ctx, tiny.model, batch, pass, options, &tiny.grads);
    std::vector<float> all = tiny.read(tiny.grads.flat());
    all.push_back(static_cast<float>(loss.loss_sum));
    all.insert(all.end(), loss.router_z_loss.begin(), loss.router_z_loss.end());
    return all;
  };
  const std::vector<float> expected = results();
  poison(*tiny.ctx, tiny.ctx->saved);
  poison(*tiny.ctx, tiny.ctx->scratch);
  CHECK(results() == expected);
}

TEST_CASE("after the largest batch nothing grows and no primitive is created") {
  const bool bf16 = GENERATE(false, true);
  CAPTURE(bf16);
  TinyModel tiny(small_config(), {2, false, bf16 ? DType::bf16 : DType::f32});
  Context& ctx = *tiny.ctx;
  const auto step = [&](std::int64_t sentences, std::int64_t longest) {
    const HostBatch batch = batch_of(tiny.model.config(), sentences, longest);
    compute_loss(ctx, tiny.model, batch, noisy_pass(1), {}, &tiny.grads);
  };
  step(60, 30);
  const std::size_t saved = ctx.saved.grown_bytes(), scratch = ctx.scratch.grown_bytes();
  const std::int64_t primitives = ctx.counts.compiled;
  for (const std::int64_t sentences : {60, 1, 33, 7, 60, 20}) {
    CAPTURE(sentences);
    step(sentences, sentences == 33 ? 11 : 30);
    CHECK(ctx.saved.grown_bytes() == saved);
    CHECK(ctx.scratch.grown_bytes() == scratch);
    CHECK(ctx.counts.compiled == primitives);
  }
  CHECK(ctx.saved.mark().offset == 0);  // all released
  CHECK(ctx.scratch.mark().offset == 0);
}

// Sequence reversal: 3 to `longest` random ids and the same ids backwards.
HostBatch reversal_batch(const ModelConfig& config, Rng& rng, std::int64_t sentences,
                         std::uint64_t longest) {
  HostBatch batch;
  for (std::int64_t i = 0; i < sentences; ++i) {
    Ids ids(3 + rng.below(longest - 2));
    for (std::int32_t& id : ids)
      id = static_cast<std::int32_t>(2 +
                                     rng.below(static_cast<std::uint64_t>(config.vocab_size) - 2));
    Ids reversed(ids.rbegin(), ids.rend());
    ids.push_back(static_cast<std::int32_t>(config.eos_token_id));
    reversed.push_back(static_cast<std::int32_t>(config.eos_token_id));
    batch.source.push_back(ids);
    batch.target.push_back(reversed);
    batch.sentence.push_back(static_cast<std::uint32_t>(rng.next_u64()));
  }
  return batch;
}

// The number of the batch's targets that greedy decoding reproduces exactly.
std::size_t exact_translations(TinyModel& tiny, const HostBatch& batch) {
  const ModelConfig& c = tiny.model.config();
  DecoderState state(*tiny.ctx, tiny.model);
  DecoderState::Step step;
  step.slots = state.admit(batch.source, 1, {});
  Ids& tokens = step.tokens;
  tokens.assign(batch.source.size(), static_cast<std::int32_t>(c.decoder_start_token_id));
  std::vector<Ids> said(batch.source.size());
  const auto rows = static_cast<std::int64_t>(tokens.size());
  const Tensor best(*tiny.ctx, rows, 1, DType::i32);
  for (int length = 0; length < 9; ++length) {
    argmax_rows(*tiny.ctx, state.step(step).logits, -1, best, {});
    download(*tiny.ctx, best, tokens.data(), rows);
    for (std::size_t i = 0; i < said.size(); ++i)
      if (said[i].empty() || said[i].back() != c.eos_token_id) said[i].push_back(tokens[i]);
  }
  std::size_t exact = 0;
  for (std::size_t i = 0; i < said.size(); ++i) exact += said[i] == batch.target[i];
  return exact;
}

// At least 95 % of unseen sequences must be reversed without error, in f32.
void check_learns_reversal(const ModelConfig& config, DType compute_type, std::uint64_t longest,
                           std::int64_t sentences, std::int64_t steps) {
  constexpr std::int64_t kUnseen = 200;
  TinyModel tiny(config, {1, false, compute_type});
  Context& ctx = *tiny.ctx;
  initialise(ctx, tiny.model, 1, {}, tiny.values);
  if (compute_type == DType::bf16) tiny.model.prepare(ctx);
  const ParamBuffer m(ctx, tiny.model.layout()), v(ctx, tiny.model.layout());
  std::vector<AdamWParam> params;
  tiny.model.each_param([&](const Param& param) {
    params.push_back({tiny.values[param], tiny.grads[param], m[param], v[param],
                      param.weight.packed ? &param.weight : nullptr});
  });
  const auto plan = plan_adamw(ctx, params);
  AdamW options;
  options.beta1 = 0.9f;
  options.beta2 = 0.95f;
  options.eps = 1e-8f;
  Pass pass;
  pass.training = true;
  Rng rng(stream_key(1, 0, 0));
  for (options.step = 1; options.step <= steps; ++options.step) {
    const HostBatch batch = reversal_batch(config, rng, sentences, longest);
    LossOptions loss;
    loss.router_aux_loss_coef = 0.01f;
    loss.ce_scale = 1.0f / static_cast<float>(batch.target_tokens());
    compute_loss(ctx, tiny.model, batch, pass, loss, &tiny.grads);
    const float progress = static_cast<float>(options.step) / static_cast<float>(steps);
    options.lr = 4e-3f * std::min(progress * 20, 1 - progress);
    adamw(ctx, options, *plan, {});
  }
  const HostBatch unseen = reversal_batch(config, rng, kUnseen, longest);
  const auto trained_in = std::exchange(tiny.ctx, make_context({}));
  const std::size_t exact = exact_translations(tiny, unseen);
  CAPTURE(exact);
  CHECK(exact >= kUnseen * 95 / 100);
}

TEST_CASE("a tiny Switch Transformer learns to reverse a sequence") {
  ModelConfig c = tiny_config({true}, {true});
  c.vocab_size = 12;
  c.d_model = 32;
  c.d_kv = 16;
  c.num_heads = 4;
  c.d_ff = 64;
  c.num_experts = 4;
  c.relative_attention_num_buckets = 32;
  c.relative_attention_max_distance = 128;
  if (backend_description() == "scalar reference") {  // slow, so an easier task
    c.vocab_size = 7;
    check_learns_reversal(c, DType::f32, 4, 16, 1000);
  } else {
    check_learns_reversal(c, DType::f32, 8, 32, 1500);
  }
}

TEST_CASE("it learns the same in bfloat16") {
  ModelConfig c = tiny_config({true}, {true});
  c.d_model = 32;
  c.d_kv = 16;
  c.num_heads = 4;
  c.d_ff = 64;
  c.num_experts = 4;
  c.relative_attention_num_buckets = 32;
  c.relative_attention_max_distance = 128;
  check_learns_reversal(c, DType::bf16, 4, 16, 1000);
}

}  // namespace
}  // namespace switchyard
