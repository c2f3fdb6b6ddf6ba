// SPDX-License-Identifier: Apache-2.0
#include "src/io/hf.h"

#include <algorithm>

#include "src/io/hf_config.h"
#include "tests/io/saved_model.h"

using namespace switchyard;

TEST_CASE("hf: loading restores the saved config and values") {
  ModelConfig untied = switch_config();
  untied.tie_word_embeddings = untied.scale_decoder_outputs = false;
  ModelConfig separate = untied;
  separate.separate_embeddings = true;
  ModelConfig odd = switch_config();  // no step gives this placement
  odd.num_layers = 3;
  odd.encoder_sparse = {true, false, true};
  odd.dropout_rate = 0.25f;
  odd.layer_norm_epsilon = 1e-5f;
  odd.expert_capacity = 7;
  odd.dense_act_fn = Activation::silu;
  ModelConfig gated = switch_config();
  gated.is_gated_act = true;
  ModelConfig tied_unscaled = dense_config();
  tied_unscaled.tie_word_embeddings = true;
  ModelConfig exact_gelu = dense_config();
  exact_gelu.dense_act_fn = Activation::gelu;
  for (const ModelConfig& config :
       {switch_config(), dense_config(), untied, separate, odd, gated, tied_unscaled, exact_gelu}) {
    SavedModel saved(config);
    CAPTURE(read_text(saved.directory / "config.json"));
    const LoadedModel loaded = saved.load();
    CHECK(loaded.model->config() == config);
    CHECK(all_values(saved, *loaded.values) == all_values(saved, saved.tiny.values));
  }
}

TEST_CASE("hf: the same model gives the same bytes") {
  SavedModel a(switch_config()), b(switch_config());
  for (const char* name : {"config.json", "generation_config.json", "model.safetensors"})
    CHECK(read_text(a.directory / name) == read_text(b.directory / name));
}

TEST_CASE("hf: a dense model is written as t5") {
  ModelConfig config = dense_config();
  config.model_type = "switch_transformers";
  SavedModel saved(config);
  CHECK(saved.config()["model_type"] == "t5");
  CHECK(saved.config()["feed_forward_proj"] == "gated-gelu");
  CHECK(saved.config()["architectures"] == json::array({"T5ForConditionalGeneration"}));
  const SafetensorsFile file(saved.directory / "model.safetensors");
  CHECK(file.tensors().contains("encoder.block.0.layer.1.DenseReluDense.wi_0.weight"));
}

TEST_CASE("hf: absent fields have Hugging Face's defaults") {
  const TempDirectory directory;
  write_text(directory / "config.json", R"({"model_type": "switch_transformers"})");
  const ModelConfig s = read_config(directory / "config.json").model;
  CHECK(s.d_model == 768);
  CHECK(s.num_decoder_layers == 12);
  CHECK(s.sparse_count() == 6);
  CHECK(s.encoder_sparse[1]);
  CHECK(s.encoder_sparse[5]);
  CHECK(s.scale_decoder_outputs);
  write_text(directory / "config.json",
             R"({"model_type": "t5", "num_layers": 4, "feed_forward_proj": "gated-gelu",
                 "tie_word_embeddings": false})");
  const ModelConfig t = read_config(directory / "config.json").model;
  CHECK(t.d_model == 512);
  CHECK(t.num_decoder_layers == 4);
  CHECK(t.dense_act_fn == Activation::gelu_new);
  CHECK(t.is_gated_act);
  CHECK(!t.scale_decoder_outputs);
  CHECK(t.decoder_start_token_id == 0);
}

// Expected values: AutoConfig of transformers 4.57.6 and 5.24.0 on these files.
TEST_CASE("hf: dense_act_fn takes precedence over feed_forward_proj") {
  struct Case {
    const char* fields;
    Activation act;
    bool gated;
  };
  const TempDirectory directory;
  const auto read = [&](const std::string& model_type, const char* fields) {
    write_text(directory / "config.json", "{\"model_type\": \"" + model_type + "\"" + fields + "}");
    return read_config(directory / "config.json");
  };
  const Case t5_cases[] = {
      {"", Activation::relu, false},
      {R"(, "feed_forward_proj": "gated-gelu")", Activation::gelu_new, true},
      {R"(, "feed_forward_proj": "gated-gelu", "dense_act_fn": "silu")", Activation::silu, true},
      {R"(, "feed_forward_proj": "gated-gelu", "dense_act_fn": "gelu")", Activation::gelu, true},
      {R"(, "feed_forward_proj": "relu", "dense_act_fn": "gelu_new")", Activation::gelu_new, false},
      {R"(, "feed_forward_proj": "gated-gelu", "is_gated_act": false)", Activation::gelu_new,
       false},
      {R"(, "feed_forward_proj": "relu", "is_gated_act": true)", Activation::relu, true},
  };
  for (const Case& c : t5_cases) {
    CAPTURE(c.fields);
    const FileConfig file = read("t5", c.fields);
    CHECK(file.model.dense_act_fn == c.act);
    CHECK(file.gated_act_fn == c.act);
    CHECK(file.model.is_gated_act == c.gated);
  }
  const Case switch_cases[] = {
      {"", Activation::relu, false},
      {R"(, "feed_forward_proj": "gated-gelu")", Activation::relu, false},
      {R"(, "feed_forward_proj": "gated-gelu", "dense_act_fn": "silu")", Activation::silu, false},
      {R"(, "feed_forward_proj": "relu", "dense_act_fn": "gelu_new")", Activation::gelu_new, false},
  };
  for (const Case& c : switch_cases) {
    CAPTURE(c.fields);
    CHECK(read("switch_transformers", c.fields).model.dense_act_fn == c.act);
  }
  // The same rule holds for gated Switch layers, which only the tensors show.
  CHECK(read("switch_transformers", switch_cases[1].fields).gated_act_fn == Activation::gelu_new);
  CHECK(read("switch_transformers", switch_cases[2].fields).gated_act_fn == Activation::silu);
  CHECK_THROWS_AS(read("t5", R"(, "dense_act_fn": "tanh")"), Error);
  CHECK_THROWS_AS(read("t5", R"(, "dense_act_fn": null)"), Error);
}

TEST_CASE("hf: generation_config.json") {
  SavedModel saved(switch_config());
  GenerationConfig generation;
  generation.num_beams = 5;
  generation.length_penalty = 0.6f;
  generation.early_stopping = EarlyStopping::kTrue;
  generation.max_new_tokens = 77;
  generation.num_return_sequences = 2;
  generation.min_new_tokens = 3;
  generation.repetition_penalty = 1.1f;
  generation.encoder_repetition_penalty = 0.9f;
  generation.no_repeat_ngram_size = 3;
  generation.encoder_no_repeat_ngram_size = 4;
  generation.bad_words_ids = {{2}, {3, 4}};
  generation.suppress_tokens = {5};
  generation.begin_suppress_tokens = {3, 5};
  generation.forced_bos_token_id = 2;
  generation.forced_eos_token_id = {1};
  generation.do_sample = true;
  generation.temperature = 0.7f;
  generation.top_k = 0;
  generation.top_p = 0.95f;
  generation.more_eos_ids = {4, 6};
  save_model(*saved.tiny.ctx, saved.directory.path(), saved.tiny.model, saved.tiny.values,
             generation);
  const GenerationConfig read = saved.load().generation;
  CHECK(read == generation);
  CHECK(read.num_beams == 5);
  CHECK(read.length_penalty == 0.6f);
  CHECK(read.early_stopping == EarlyStopping::kTrue);
  CHECK(read.max_new_tokens == 77);

  const fs::path path = saved.directory / "generation_config.json";
  write_text(path, R"({"early_stopping": "never"})");
  CHECK(saved.load().generation.early_stopping == EarlyStopping::kNever);
  write_text(path, R"({"max_length": 20, "num_beams": null, "eos_token_id": [2]})");
  const LoadedModel loaded = saved.load();
  CHECK(loaded.generation.max_new_tokens == 19);
  CHECK(!loaded.generation.num_beams);
  CHECK(loaded.model->config().eos_token_id == 2);
  write_text(path, R"({"num_beams": 0})");
  CHECK(contains(saved.error(), "generation_config.json: num_beams: 0, expected 1 to"));
  // The model's own eos stays first; min_new_tokens overrides min_length.
  write_text(path, R"({"eos_token_id": [4, 1, 2], "min_length": 5, "min_new_tokens": 0})");
  const LoadedModel several = saved.load();
  CHECK(several.model->config().eos_token_id == 1);
  CHECK(several.generation.more_eos_ids == Ids{4, 2});
  CHECK(!several.generation.min_length);
  write_text(path, R"({"forced_eos_token_id": 1, "suppress_tokens": [], "top_k": null})");
  CHECK(saved.load().generation.forced_eos_token_id == Ids{1});
  CHECK(!saved.load().generation.top_k);
  write_text(path, R"({"bad_words_ids": [[2], [7]]})");
  CHECK(contains(saved.error(), "bad_words_ids: found 7, expected ids from 0 to 6"));
  write_text(path, R"({"eos_token_id": 9})");
  CHECK(contains(saved.error(), "generation_config.json: eos_token_id: 9, expected 0 to 6"));
  fs::remove(path);
  CHECK(!saved.load().generation.num_beams);
}

TEST_CASE("hf: one warning lists the generation settings that are not implemented") {
  SavedModel saved(switch_config());
  const fs::path path = saved.directory / "generation_config.json";
  write_text(path, R"({"num_beams": 4, "typical_p": 0.5, "diversity_penalty": 0.3,
                       "min_p": 0.1, "use_cache": true, "epsilon_cutoff": 0.0, "eta_cutoff": 0,
                       "sequence_bias": [], "stop_strings": null, "repetition_penalty": 1.2,
                       "transformers_version": "4.57.6"})");
  const std::string warnings = saved.warnings();
  CHECK(contains(warnings,
                 "generation_config.json: not implemented and ignored: "
                 "diversity_penalty, min_p, typical_p\n"));
  CHECK(std::count(warnings.begin(), warnings.end(), '\n') == 1);
  // From GenerationConfig().to_dict() of transformers 4.57.6.
  write_text(path, R"({"do_sample": false, "temperature": 1.0, "top_k": 50, "top_p": 1.0,
                       "typical_p": 1.0, "epsilon_cutoff": 0.0, "eta_cutoff": 0.0,
                       "repetition_penalty": 1.0, "encoder_repetition_penalty": 1.0,
                       "no_repeat_ngram_size": 0, "renormalize_logits": false,
                       "remove_invalid_values": false, "token_healing": false,
                       "num_return_sequences": 1, "encoder_no_repeat_ngram_size": 0,
                       "diversity_penalty": 0.0, "num_beam_groups": 1, "min_length": 0})");
  CHECK(saved.warnings().empty());

  // Settings in an old config.json matter only if there is no generation_config.json.
  saved.set("num_beams", 4);
  saved.set("no_repeat_ngram_size", 3);
  saved.set("length_penalty", 1.0);
  CHECK(saved.warnings().empty());
  fs::remove(path);
  CHECK(contains(saved.warnings(), "ignored: no_repeat_ngram_size, num_beams\n"));
}

TEST_CASE("hf: errors in JSON give line and column") {
  SavedModel saved(switch_config());
  const std::string good = read_text(saved.directory / "config.json");
  const std::pair<std::string, const char*> cases[] = {
      {"", "config.json:1:1: "},
      {good.substr(0, good.size() / 2), "config.json:"},
      {"[]", "JSON array, expected an object"},
      {"{\n  \"d_model\": 6,\n  // six\n}", "config.json:3:3: "},
      {good + "x", "config.json:"},
      {std::string("{}\0", 3), "config.json:1:3: a NUL byte"},
      {std::string("\xFF\xFE{\0}\0", 6), "UTF-16 text"},
      {"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"},
      {"{\"a\": NaN}", "config.json:1:7: "},
      {"{\"a\": 1e999}", "number overflow"},
      {"{\"a\": 1, \"a\": 2}", "\"a\" twice"},
      {std::string(1'000'000, '['), "nested deeper than 64 levels"},
      {"{\"a\":" + std::string(100'000, '['), "nested deeper than 64 levels"},
  };
  for (const auto& [text, message] : cases) {
    write_text(saved.directory / "config.json", text);
    const std::string error = saved.error();
    CAPTURE(text.substr(0, 80), error);
    CHECK(contains(error, message));
    CHECK(!contains(error, "json.exception"));
  }
}

TEST_CASE("hf: a bad field is reported before anything is allocated") {
  SavedModel saved(switch_config());
  const json config = saved.config();
  for (const char* field : {"vocab_size", "d_model", "d_kv", "d_ff", "num_heads", "num_layers",
                            "num_decoder_layers", "num_experts", "expert_capacity",
                            "relative_attention_num_buckets", "relative_attention_max_distance"}) {
    const json right = config[field];
    for (const json& value : {json(0), json(-1), json(1'000'000'000'000),
                              json((std::int64_t{1} << 32) + 6), json(std::uint64_t{1} << 63),
                              json(1e30), json(32.5), json("32"), json(true), json::array({32})}) {
      saved.set(field, value);
      const std::string error = saved.error();
      CAPTURE(field, value.dump(), error);
      CHECK(contains(error, std::string("config.json: ") + field + ": "));
    }
    saved.set(field, right);
  }
  const std::pair<const char*, json> cases[] = {
      {"pad_token_id", 7},
      {"eos_token_id", -1},
      {"eos_token_id", nullptr},
      {"decoder_start_token_id", 1000},
      {"layer_norm_epsilon", -1},
      {"layer_norm_epsilon", "1e-6"},
      {"dropout_rate", 1},
      {"dropout_rate", 1e300},
      {"router_bias", 1},
      {"tie_word_embeddings", nullptr},
      {"model_type", "umt5"},
      {"model_type", 5},
      {"dense_act_fn", "tanh"},
      {"router_dtype", "int8"},
      {"encoder_sparse_step", -1},
      {"encoder_sparse_step", 1e9},
      {"is_encoder_decoder", false},
      {"num_sparse_encoder_layers", 1'000'000'000},
      {"switchyard", 1},
  };
  for (const auto& [field, value] : cases) {
    saved.set(field, value);
    const std::string error = saved.error();
    CAPTURE(field, value.dump(), error);
    CHECK(contains(error, std::string("config.json: ") + field + ": "));
    saved.set_config(config);
  }
  saved.set("switchyard", {{"format_version", 2}});
  CHECK(contains(saved.error(), "a newer version wrote this model"));
  saved.set_config(config);
  saved.set("some_new_key", {{"a", 1}});
  CHECK(saved.error() == "");
}

TEST_CASE("hf: a config that contradicts the tensors is rejected, naming the tensor") {
  SavedModel saved(switch_config());
  const json config = saved.config();
  struct Case {
    const char* field;
    json value;
    std::string message;
  };
  const Case cases[] = {
      {"num_experts", 2, "tensor " + kEncoderWi + ": expert 2"},
      {"num_experts", 4, "tensor " + kRouter + ": shape [3, 6], expected [4, 6]"},
      {"num_layers", 1, "block 1 of the encoder, but config.json says 1 layer"},
      {"num_layers", 3, "tensors are missing; the first is encoder.block.2."},
      {"vocab_size", 8, "tensor shared.weight: shape [7, 6], expected [8, 6]"},
      {"num_heads", 3, "shape [6, 2], expected [6, 3]"},
      {"d_kv", 3, "shape [4, 6], expected [6, 6]"},
      {"d_ff", 6, "shape [5, 6], expected [6, 6]"},
      {"encoder_sparse_step", 1, "encoder.block.0.layer.1.mlp.w"},
      {"encoder_sparse_step", 0, "tensor encoder.block.1.layer.1.mlp."},
      {"router_bias", false, "classifier.bias exists, but config.json says router_bias false"},
      {"model_type", "t5", "mlp.router."},
  };
  for (const Case& c : cases) {
    saved.set(c.field, c.value);
    const std::string error = saved.error();
    CAPTURE(c.field, c.value.dump(), error);
    CHECK(contains(error, c.message));
    CHECK(contains(error, "model.safetensors: "));
    saved.set_config(config);
  }
}
