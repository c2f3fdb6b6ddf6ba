// SPDX-License-Identifier: Apache-2.0
#include "src/io/t5x_config.h"

#include <cstdlib>

#include "src/core/error.h"
#include "src/core/log.h"
#include "src/io/hf.h"
#include "src/io/hf_config.h"
#include "src/io/safetensors.h"
#include "src/io/t5x.h"
#include "src/nn/batch.h"
#include "tests/support/catch.h"
#include "tests/support/close.h"
#include "tests/support/read_tensor.h"
#include "tests/support/temp_directory.h"

using namespace switchyard;
using nlohmann::json;

namespace {

// As flaxformer's configs for a Switch Transformer set it.
constexpr const char* kSwitch = R"(NUM_ENCODER_LAYERS = 2
NUM_DECODER_LAYERS = 1
NUM_HEADS = 2
HEAD_DIM = 4
EMBED_DIM = 6
MLP_DIM = 20
NUM_EXPERTS = 3
NUM_SELECTED_EXPERTS = 1
AUX_LOSS_FACTOR = 0.01
ROUTER_Z_LOSS_FACTOR = 0.0
JITTER_NOISE = 0.0
DROPOUT_RATE = 0.0
dense.MlpBlock.activations = ('relu',)
expert/dense.MlpBlock:
  intermediate_dim = %MLP_DIM
  activations = ('relu',)
routing.TokensChooseMaskedRouter:
  num_selected_experts = %NUM_SELECTED_EXPERTS
  jitter_noise = %JITTER_NOISE
relative_position_biases.RelativePositionBiases.max_distance = 64
)";

// As T5X's own T5 sets it.
constexpr const char* kT5 = R"(DROPOUT_RATE = %gin.REQUIRED
network.T5Config:
  vocab_size = 12
  emb_dim = 6
  num_heads = 2
  num_encoder_layers = 1
  num_decoder_layers = 2
  head_dim = 4
  mlp_dim = 20
  mlp_activations = ('gelu', 'linear')
  dropout_rate = %DROPOUT_RATE
)";

fs::path golden(const std::string& name) { return fs::path(std::getenv("GOLDEN")) / "t5x" / name; }

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct Converted {
  json config;
  std::string warnings;
  TempDirectory directory;

  fs::path gin() const { return directory / "config.gin"; }

  Converted(const std::string& name, const std::string& gin_text) {
    write_text(gin(), gin_text);
    open_log_file((directory / "log").string());
    const auto checkpoint = open_t5x(golden(name) / "checkpoint_7");
    config = t5x_config(config_from_gin(gin()), gin(), *checkpoint);
    open_log_file("/dev/null");
    warnings = read_text(directory / "log");
    write_text(directory / "config.json", config.dump());
  }
};

std::string error_of(const std::string& name, const std::string& gin_text) {
  try {
    Converted converted(name, gin_text);
    return "";
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kData);
    CHECK(contains(e.what(), "config.gin"));
    return e.what();
  }
}

}  // namespace

TEST_CASE("t5x_config: a Switch Transformer") {
  const Converted converted("switch", kSwitch);
  CHECK(converted.warnings.empty());
  const FileConfig file = read_config(converted.directory / "config.json");
  const ModelConfig& c = file.model;
  CHECK(c.model_type == "switch_transformers");
  CHECK(c.vocab_size == 12);
  CHECK(c.d_model == 6);
  CHECK(c.d_kv == 4);
  CHECK(c.d_ff == 20);
  CHECK(c.num_heads == 2);
  CHECK(c.num_experts == 3);
  CHECK(c.encoder_sparse == std::vector<bool>{false, true});
  CHECK(c.decoder_sparse == std::vector<bool>{true});
  CHECK(c.relative_attention_num_buckets == 8);
  CHECK(c.relative_attention_max_distance == 64);
  CHECK(c.dense_act_fn == Activation::relu);
  CHECK(c.tie_word_embeddings);
  CHECK(c.scale_decoder_outputs);
  CHECK(c.router_aux_loss_coef == 0.01f);
  CHECK(c.router_z_loss_coef == 0.0f);
  CHECK(c.router_jitter_noise == 0.0f);
  CHECK(c.dropout_rate == 0.0f);
}

TEST_CASE("t5x_config: a converted Switch Transformer loads") {
  for (const auto& [name, gin] :
       {std::pair("switch", std::string(kSwitch)),
        std::pair("gated", std::string("MlpBlock.activations = ('gelu', 'linear')"))}) {
    CAPTURE(name);
    const Converted converted(name, gin);
    fs::copy_file(golden(name + std::string(".safetensors")),
                  converted.directory / "model.safetensors");
    const auto ctx = make_context({});
    const LoadedModel loaded = load_model(*ctx, converted.directory.path());
    const bool gated = name == std::string_view("gated");
    CHECK(loaded.model->config().is_gated_act == gated);
    CHECK(loaded.model->config().tie_word_embeddings == !gated);
    CHECK(loaded.model->config().scale_decoder_outputs == !gated);
    CHECK(loaded.model->config().dense_act_fn == (gated ? Activation::gelu_new : Activation::relu));
  }
}

TEST_CASE("t5x_config: logits equal those of T5X's own T5") {
  const Converted converted("t5", kT5);
  fs::copy_file(golden("t5.safetensors"), converted.directory / "model.safetensors");
  const auto ctx = make_context({});
  const LoadedModel loaded = load_model(*ctx, converted.directory.path());
  const SafetensorsFile expected(golden("t5-logits.safetensors"));
  const auto ids = [&](const char* name) {
    Ids result;
    for (const std::int64_t id : read_i64(expected, name))
      result.push_back(static_cast<std::int32_t>(id));
    return result;
  };
  HostBatch host;
  host.source = {ids("input_ids")};
  host.target = {ids("labels")};
  host.sentence = {0};
  const ArenaScope scope(ctx->saved);
  const Batch batch = upload_batch(*ctx, ctx->saved, host, loaded.model->config());
  const View logits = loaded.model->logits(*ctx, {}, batch);
  std::vector<float> actual(static_cast<std::size_t>(logits.size()));
  download(*ctx, logits, actual.data(), logits.size());
  // Sums of a few dozen float32 products in another order.
  CHECK(close(actual, read_f32(expected, "logits"), 1e-5, 1e-5) == "");
}

TEST_CASE("t5x_config: the checkpoint corrects the settings, with a warning") {
  const Converted converted("switch", std::string(kSwitch) + "NUM_HEADS = 12\nNUM_EXPERTS = 128\n");
  CHECK(contains(converted.warnings, "num_heads 12 contradicts the checkpoint; 2 is used"));
  CHECK(contains(converted.warnings, "num_experts 128 contradicts the checkpoint; 3 is used"));
  CHECK(converted.config["num_heads"] == 2);
  const Converted included("switch", "include 'moe/base.gin'\n" + std::string(kSwitch));
  CHECK(contains(included.warnings, "included files are not read: moe/base.gin"));
  // Settings of another config.json.
  const auto checkpoint = open_t5x(golden("switch") / "checkpoint_7");
  const json config = t5x_config({{"encoder_sparse_step", 4}, {"switchyard", 1}}, "c", *checkpoint);
  CHECK(!config.contains("encoder_sparse_step"));
  CHECK(config["switchyard"]["encoder_sparse_layers"] == json({1}));
}

TEST_CASE("t5x_config: settings that cannot be used are errors") {
  CHECK(contains(error_of("switch", "NUM_HEADS = 2\n"),
                 "no value for dense.MlpBlock.activations, expected ('relu',) or another"));
  CHECK(contains(error_of("switch", "include 'base.gin'\n"), "in an included file: base.gin"));
  CHECK(contains(error_of("gated", kSwitch),
                 "activation \"relu\", but the checkpoint's "
                 "feed-forwards are gated"));
  CHECK(contains(error_of("switch", kT5),
                 "activation \"gated-gelu\", but the checkpoint's "
                 "feed-forwards are not gated"));
  const std::string text = kSwitch;
  for (const auto& [line, message] : {
           std::pair("NUM_SELECTED_EXPERTS = 2", "NUM_SELECTED_EXPERTS: 2, expected 1"),
           std::pair("MoeLayer.router = @routing.ExpertsChooseMaskedRouter()",
                     "experts that pick their tokens"),
           std::pair("dense.MlpBlock.activations = ('swish', 'linear')", "has different values"),
           std::pair("DROPOUT_RATE = 'a'", "\"a\", expected a number"),
           std::pair("NUM_HEADS = 2.5", "2.5, expected an integer"),
       }) {
    CAPTURE(line);
    CHECK(contains(error_of("switch", text + line), message));
  }
  for (const char* value : {"()", "('relu', 'gelu')", "('linear', 'gelu')", "('tanh',)", "3",
                            "('relu', 'linear', 'linear')", "('\xff',)"}) {
    CAPTURE(value);
    CHECK(contains(error_of("switch", "MlpBlock.activations = " + std::string(value)),
                   "expected (\"ACT\",) or"));
  }
  const auto checkpoint = open_t5x(golden("gated") / "checkpoint_7");
  CHECK_THROWS_AS(t5x_config(json::object(), "config.json", *checkpoint), Error);
}
