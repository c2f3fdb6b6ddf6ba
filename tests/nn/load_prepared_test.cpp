// SPDX-License-Identifier: Apache-2.0
// A model loaded for translation computes what the same model does with all of its values.
#include "src/core/error.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_model.h"

namespace switchyard {
namespace {

// Loads a second model with a's values.
void load_from(TinyModel& a, TinyModel& b) {
  b.model.load_prepared(*b.ctx,
                        [&](const Param& param, View to) { copy(*b.ctx, a.values[param], to); });
}

std::vector<float> logits_of(TinyModel& tiny) {
  const ModelConfig& c = tiny.model.config();
  const ArenaScope scope(tiny.ctx->saved);
  const HostBatch host = random_batch(c, {5, 1, 9}, {3, 8, 1}, 3);
  const Batch batch = upload_batch(*tiny.ctx, tiny.ctx->saved, host, c);
  return tiny.read(tiny.model.logits(*tiny.ctx, {}, batch));
}

ModelConfig sparse_config() {
  ModelConfig c = tiny_config({false, true}, {true});
  c.vocab_size = 75;
  c.d_model = 40;
  c.router_bias = true;
  return c;
}
ModelConfig untied_config() {
  ModelConfig c = sparse_config();
  c.tie_word_embeddings = false;
  return c;
}
ModelConfig separate_config() {
  ModelConfig c = untied_config();
  c.separate_embeddings = true;
  return c;
}

// Returns true if this backend's packed forms replace values in such a context.
bool replaces_values(Context& ctx, WeightRole role) {
  const Tensor value(ctx, 4, 4);
  Weight weight{value, nullptr, role};
  return prepare_weight(ctx, weight);
}

TEST_CASE("load_prepared: the same bits as packing bound values") {
  const bool row_invariant = GENERATE(false, true);
  const DType type = GENERATE(DType::f32, DType::bf16, DType::i8);
  for (const ModelConfig& config : {sparse_config(), untied_config(), separate_config()}) {
    CAPTURE(row_invariant, name_of(type), config.tie_word_embeddings, config.separate_embeddings);
    const ContextOptions options{1, row_invariant, type};
    TinyModel bound(config, options), loaded(config, options, 2);
    bound.model.prepare(*bound.ctx);
    const std::vector<float> with_values = logits_of(bound);
    load_from(bound, loaded);
    const std::vector<float> found = logits_of(loaded);
    // Without its value, an embedding is looked up in the packed form, which may be rounded.
    bound.model.each_param([&](Param& param) {
      if (param.in_matmuls() && replaces_values(*bound.ctx, param.weight.role))
        param.weight.forget_value();
    });
    CHECK(found == logits_of(bound));
    loaded.model.bind(*loaded.ctx, bound.values);
    loaded.model.prepare(*loaded.ctx);
    CHECK(logits_of(loaded) == with_values);
  }
}

TEST_CASE("load_prepared: a weight with too many inputs for int8 is named") {
  const auto ctx = make_context({1, true, DType::i8});
  if (!replaces_values(*ctx, WeightRole::matmul)) return;  // this backend has no int8
  ModelConfig config = tiny_config();
  config.d_ff = (1 << 16) + 1;
  Model model(config);
  std::string error;
  try {
    model.load_prepared(*ctx, [&](const Param&, View to) { fill(*ctx, 0, to); });
  } catch (const Error& e) {
    error = e.what();
  }
  CAPTURE(error);
  CHECK(error.starts_with("tensor encoder.block.0.layer.1.mlp.wo.weight: "));
  CHECK(error.find("65537 inputs") != std::string::npos);
  CHECK(error.find("limited to 65536") != std::string::npos);
}

TEST_CASE("load_prepared: int8 logits are near float32") {
  TinyModel exact(sparse_config(), {1, true}), loaded(sparse_config(), {1, true, DType::i8}, 2);
  load_from(exact, loaded);
  const std::vector<float> expected = logits_of(exact), found = logits_of(loaded);
  double error = 0, largest = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    error += std::abs(double{found[i]} - double{expected[i]});
    largest = std::max(largest, std::abs(double{expected[i]}));
  }
  // A step of int8 is 1/127 of a row's largest value.
  CHECK(error / static_cast<double>(found.size()) < 0.05 * largest);
}

TEST_CASE("load_prepared keeps only the values that no packed form replaces") {
  const DType type = GENERATE(DType::f32, DType::bf16, DType::i8);
  for (const ModelConfig& config : {sparse_config(), untied_config(), separate_config()}) {
    TinyModel values(config), loaded(config, {1, true, type});
    load_from(values, loaded);
    loaded.model.each_param([&](const Param& param) {
      CAPTURE(param.name);
      const View& value = param.weight.value;
      CHECK((value.rows == param.rows && value.cols == param.cols));
      const bool replaced = param.in_matmuls() && replaces_values(*loaded.ctx, param.weight.role);
      CHECK(static_cast<bool>(value) == !replaced);
      if (value) CHECK(loaded.read(value) == values.read(values.values[param]));
    });
  }
}

}  // namespace
}  // namespace switchyard
