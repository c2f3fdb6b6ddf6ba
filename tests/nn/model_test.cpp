// SPDX-License-Identifier: Apache-2.0
// Batches and initial parameter values.
#include "src/nn/model.h"

#include <cmath>
#include <string>

#include "src/core/error.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_model.h"

namespace switchyard {
namespace {

std::vector<std::int32_t> read_ints(Context& ctx, ConstView view) {
  std::vector<std::int32_t> host(static_cast<std::size_t>(view.size()));
  download(ctx, view, host.data(), view.size());
  return host;
}

TEST_CASE("upload_batch lays sentences end to end and shifts targets right") {
  const auto ctx = make_context({});
  ModelConfig c = tiny_config();
  c.decoder_start_token_id = 2;
  const HostBatch host{{{3, 4, 1}, {1}}, {{5, 1}, {6, 3, 1}}, {7, 4000000000u}};
  const Batch batch = upload_batch(*ctx, ctx->saved, host, c);
  CHECK(batch.source.batch == 2);
  CHECK(batch.source.tokens == 4);
  CHECK(batch.source.max_len == 3);
  CHECK(batch.target.tokens == 5);
  CHECK(read_ints(*ctx, batch.source.offsets) == Ids{0, 3, 4});
  CHECK(read_ints(*ctx, batch.target.offsets) == Ids{0, 2, 5});
  CHECK(read_ints(*ctx, batch.source_ids) == Ids{3, 4, 1, 1});
  CHECK(read_ints(*ctx, batch.labels) == Ids{5, 1, 6, 3, 1});
  CHECK(read_ints(*ctx, batch.target_ids) == Ids{2, 5, 2, 6, 3});
  const auto last = static_cast<std::int32_t>(4000000000u);
  CHECK(read_ints(*ctx, batch.source.tags) == Ids{7, 0, 7, 1, 7, 2, last, 0});
}

TEST_CASE("upload_batch rejects ids outside the vocabulary") {
  const auto ctx = make_context({});
  const ModelConfig c = tiny_config();
  for (const std::int32_t id : {-1, 7, 1 << 30}) {
    CAPTURE(id);
    const HostBatch bad_source{{{3, id}}, {{1}}, {0}}, bad_target{{{1}}, {{id}}, {0}};
    CHECK_THROWS_AS(upload_batch(*ctx, ctx->saved, bad_source, c), Error);
    CHECK_THROWS_AS(upload_batch(*ctx, ctx->saved, bad_target, c), Error);
  }
}

double deviation(const std::vector<float>& values) {
  double sum = 0;
  for (const float x : values) sum += double{x} * double{x};
  return std::sqrt(sum / static_cast<double>(values.size()));
}

TEST_CASE("initialise: the paper's values, or Hugging Face's") {
  ModelConfig c = tiny_config({true}, {false});
  c.vocab_size = 500;
  c.d_model = 64;
  c.d_kv = 16;
  c.d_ff = 256;
  c.router_bias = true;
  TinyModel tiny(c);
  const auto values_of = [&](const std::string& name, const Initialisation& start) {
    initialise(*tiny.ctx, tiny.model, 1, start, tiny.values);
    std::vector<float> values;
    tiny.model.each_param([&](const Param& param) {
      if (param.name == name) values = tiny.read(tiny.values[param]);
    });
    return values;
  };
  // Standard deviations; truncation at two of them leaves a factor of 0.8796.
  struct Expected {
    const char* name;
    double paper, hf;
  };
  const Expected table[] = {
      {"shared.weight", 1, 1},
      {"encoder.block.0.layer.0.SelfAttention.q.weight", 0.8796 * std::sqrt(0.1 / 64), 1.0 / 32},
      {"encoder.block.0.layer.0.SelfAttention.k.weight", 0.8796 * std::sqrt(0.1 / 64), 1.0 / 8},
      {"encoder.block.0.layer.1.mlp.experts.expert_1.wo.weight", 0.8796 * std::sqrt(0.1 / 256),
       1.0 / 8},
      {"decoder.block.0.layer.2.mlp.wo.weight", 0.8796 * std::sqrt(0.1 / 256), 1.0 / 16},
      {"encoder.block.0.layer.1.mlp.router.classifier.weight", 0.02, 1},
  };
  for (const Expected& e : table) {
    CAPTURE(e.name);
    const double paper = deviation(values_of(e.name, {})),
                 hf = deviation(values_of(e.name, {.hf = true}));
    CAPTURE(paper, hf);
    // The router has 192 elements: the estimate's standard error is 1 / sqrt(2 * 192) = 5 %.
    CHECK(std::abs(paper / e.paper - 1) < 0.15);
    CHECK(std::abs(hf / e.hf - 1) < 0.15);
  }
  CHECK(values_of("encoder.final_layer_norm.weight", {}) == std::vector<float>(64, 1.0f));
  CHECK(values_of("encoder.block.0.layer.1.mlp.router.classifier.bias", {.hf = true}) ==
        std::vector<float>(3, 0.0f));
  CHECK(values_of("shared.weight", {}) == values_of("shared.weight", {}));
  // --embedding-std scales the paper's embeddings and nothing else.
  std::vector<float> scaled = values_of("shared.weight", {});
  for (float& x : scaled) x *= 0.25f;
  CHECK(values_of("shared.weight", {.embedding_std = 0.25f}) == scaled);
  CHECK(values_of("shared.weight", {.hf = true, .embedding_std = 0.25f}) ==
        values_of("shared.weight", {.hf = true}));
  CHECK(values_of("decoder.block.0.layer.2.mlp.wo.weight", {.embedding_std = 0.25f}) ==
        values_of("decoder.block.0.layer.2.mlp.wo.weight", {}));
  initialise(*tiny.ctx, tiny.model, 2, {}, tiny.values);
  const std::vector<float> other_seed = tiny.read(tiny.values[tiny.model.shared]);
  CHECK(other_seed != values_of("shared.weight", {}));
}

}  // namespace
}  // namespace switchyard
