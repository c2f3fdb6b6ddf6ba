// SPDX-License-Identifier: Apache-2.0
#include "src/io/hf.h"

#include <nlohmann/json.hpp>

#include "src/core/error.h"
#include "src/core/log.h"
#include "src/io/json.h"
#include "src/io/safetensors.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"
#include "tests/support/tiny_model.h"

using namespace switchyard;
using nlohmann::json;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A model on disk, to be spoilt.
struct SavedModel {
  explicit SavedModel(const ModelConfig& config) : tiny(config) {
    save_model(*tiny.ctx, folder.path(), tiny.model, tiny.values, {});
  }

  std::string error() {
    try {
      load_model(*tiny.ctx, folder.path());
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  }
  LoadedModel load() { return load_model(*tiny.ctx, folder.path()); }

  // The warnings of loading.
  std::string warnings() {
    const fs::path log = folder / "log";
    open_log_file(log.string());
    load();
    open_log_file("/dev/null");
    const std::string text = read_text(log);
    fs::remove(log);
    return text;
  }

  json config() { return read_json_object(folder / "config.json"); }
  void set_config(const json& config) { write_text(folder / "config.json", config.dump()); }
  void set(const char* field, const json& value) {
    json c = config();
    c[field] = value;
    set_config(c);
  }

  // Rewrites the weights: `change` gets all tensors by name.
  struct HostTensor {
    std::vector<std::int64_t> shape;
    std::vector<float> values;
  };
  using HostTensors = std::map<std::string, HostTensor>;
  template <class F>
  void change_tensors(F&& change, const std::string& file_name = "model.safetensors") {
    HostTensors tensors;
    {
      const SafetensorsFile file(folder / "model.safetensors");
      for (const auto& [name, tensor] : file.tensors())
        tensors[name] = {tensor.shape, read_f32(name, tensor)};
    }
    change(tensors);
    std::vector<TensorToWrite> list;
    for (const auto& [name, tensor] : tensors)
      list.push_back(
          {name, tensor.shape, [&t = tensor] { return std::span<const float>(t.values); }});
    write_safetensors(folder / file_name, list);
  }
  void rename_tensor(const std::string& from, const std::string& to) {
    change_tensors([&](HostTensors& tensors) {
      REQUIRE(tensors.count(from) == 1);
      tensors[to] = tensors[from];
      tensors.erase(from);
    });
  }

  TinyModel tiny;
  TempFolder folder;
};

ModelConfig switch_config() {
  ModelConfig c = tiny_config({false, true}, {false, true});
  c.router_bias = true;
  return c;
}

ModelConfig dense_config() {
  ModelConfig c = tiny_config({false, false}, {false});
  c.model_type = "t5";
  c.num_experts = 1;
  c.is_gated_act = true;
  c.dense_act_fn = Activation::gelu_new;
  c.tie_word_embeddings = false;
  c.scale_decoder_outputs = false;
  return c;
}

std::vector<float> all_values(SavedModel& saved, const ParamBuffer& values) {
  return saved.tiny.read(values.flat());
}

const std::string kEncoderWi = "encoder.block.1.layer.1.mlp.experts.expert_2.wi.weight";
const std::string kRouter = "encoder.block.1.layer.1.mlp.router.classifier.weight";

}  // namespace

TEST_CASE("hf: what is saved is loaded, config and values") {
  ModelConfig untied = switch_config();
  untied.tie_word_embeddings = untied.scale_decoder_outputs = false;
  ModelConfig separate = untied;
  separate.separate_embeddings = true;
  ModelConfig odd = switch_config();  // no step makes this placement
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
  for (const ModelConfig& config :
       {switch_config(), dense_config(), untied, separate, odd, gated, tied_unscaled}) {
    SavedModel saved(config);
    CAPTURE(read_text(saved.folder / "config.json"));
    const LoadedModel loaded = saved.load();
    CHECK(loaded.model->config() == config);
    CHECK(load_model_config(saved.folder.path()) == config);
    CHECK(all_values(saved, *loaded.values) == all_values(saved, saved.tiny.values));
  }
}

TEST_CASE("hf: the same model gives the same bytes") {
  SavedModel a(switch_config()), b(switch_config());
  for (const char* name : {"config.json", "generation_config.json", "model.safetensors"})
    CHECK(read_text(a.folder / name) == read_text(b.folder / name));
}

TEST_CASE("hf: a dense model is written as t5") {
  ModelConfig config = dense_config();
  config.model_type = "switch_transformers";
  SavedModel saved(config);
  CHECK(saved.config()["model_type"] == "t5");
  CHECK(saved.config()["feed_forward_proj"] == "gated-gelu");
  CHECK(saved.config()["architectures"] == json::array({"T5ForConditionalGeneration"}));
  const SafetensorsFile file(saved.folder / "model.safetensors");
  CHECK(file.contains("encoder.block.0.layer.1.DenseReluDense.wi_0.weight"));
}

TEST_CASE("hf: absent fields have Hugging Face's defaults") {
  const TempFolder folder;
  write_text(folder / "config.json", R"({"model_type": "switch_transformers"})");
  const ModelConfig s = read_config(folder / "config.json").model;
  CHECK(s.d_model == 768);
  CHECK(s.num_decoder_layers == 12);
  CHECK(s.sparse_count() == 6);
  CHECK(s.encoder_sparse[1]);
  CHECK(s.encoder_sparse[5]);
  CHECK(s.scale_decoder_outputs);
  write_text(folder / "config.json",
             R"({"model_type": "t5", "num_layers": 4, "feed_forward_proj": "gated-gelu",
                 "tie_word_embeddings": false})");
  const ModelConfig t = read_config(folder / "config.json").model;
  CHECK(t.d_model == 512);
  CHECK(t.num_decoder_layers == 4);
  CHECK(t.dense_act_fn == Activation::gelu_new);
  CHECK(t.is_gated_act);
  CHECK(!t.scale_decoder_outputs);
  CHECK(t.decoder_start_token_id == 0);
}

TEST_CASE("hf: generation_config.json") {
  SavedModel saved(switch_config());
  GenerationConfig generation;
  generation.num_beams = 5;
  generation.length_penalty = 0.6f;
  generation.early_stopping = true;
  generation.max_new_tokens = 77;
  save_model(*saved.tiny.ctx, saved.folder.path(), saved.tiny.model, saved.tiny.values, generation);
  const GenerationConfig read = saved.load().generation;
  CHECK(read.num_beams == 5);
  CHECK(read.length_penalty == 0.6f);
  CHECK(read.early_stopping == true);
  CHECK(read.max_new_tokens == 77);

  const fs::path path = saved.folder / "generation_config.json";
  write_text(path, R"({"max_length": 20, "num_beams": null, "eos_token_id": [2]})");
  const LoadedModel loaded = saved.load();
  CHECK(loaded.generation.max_new_tokens == 19);
  CHECK(!loaded.generation.num_beams);
  CHECK(loaded.model->config().eos_token_id == 2);
  write_text(path, R"({"num_beams": 0})");
  CHECK(contains(saved.error(), "generation_config.json: num_beams: 0, expected 1 to"));
  write_text(path, R"({"eos_token_id": 9})");
  CHECK(contains(saved.error(), "generation_config.json: eos_token_id: 9, expected 0 to 6"));
  fs::remove(path);
  CHECK(!saved.load().generation.num_beams);
}

TEST_CASE("hf: bad JSON is an error with line and column") {
  SavedModel saved(switch_config());
  const std::string good = read_text(saved.folder / "config.json");
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
    write_text(saved.folder / "config.json", text);
    const std::string error = saved.error();
    CAPTURE(text.substr(0, 80), error);
    CHECK(contains(error, message));
    CHECK(!contains(error, "json.exception"));
  }
}

TEST_CASE("hf: a bad field is named before anything is allocated") {
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

TEST_CASE("hf: a config that contradicts the tensors is refused, with the tensor") {
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
      {"num_layers", 1, "block 1 of the encoder, but config.json says 1 layers"},
      {"num_layers", 3, "tensors are missing, the first is encoder.block.2."},
      {"vocab_size", 8, "tensor shared.weight: shape [7, 6], expected [8, 6]"},
      {"num_heads", 3, "shape [6, 2], expected [6, 3]"},
      {"d_kv", 3, "shape [4, 6], expected [6, 6]"},
      {"d_ff", 6, "shape [5, 6], expected [6, 6]"},
      {"encoder_sparse_step", 1, "encoder.block.0.layer.1.mlp.w"},
      {"encoder_sparse_step", 0, "tensor encoder.block.1.layer.1.mlp."},
      {"router_bias", false, "classifier.bias is there, but config.json says router_bias false"},
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

TEST_CASE("hf: missing, extra, wrong and non-finite tensors") {
  using HostTensors = SavedModel::HostTensors;
  SavedModel saved(switch_config());
  saved.change_tensors([](HostTensors& t) { t["more.weight"] = {{1}, {0}}; });
  CHECK(contains(saved.warnings(), "1 tensor is not used, the first is more.weight"));

  saved.change_tensors([](HostTensors& t) {
    t.erase("more.weight");
    t.erase(kEncoderWi);
    t.erase("decoder.final_layer_norm.weight");
  });
  CHECK(contains(saved.error(), "2 tensors are missing, the first is " + kEncoderWi));

  SavedModel no_router(switch_config());
  no_router.change_tensors([](HostTensors& t) { t.erase(kRouter); });
  CHECK(contains(no_router.error(), "1 tensor is missing, the first is " + kRouter));

  SavedModel no_shared(switch_config());
  no_shared.change_tensors([](HostTensors& t) { t.erase("shared.weight"); });
  CHECK(contains(no_shared.error(), "no tensor shared.weight"));

  SavedModel both(switch_config());
  both.change_tensors(
      [](HostTensors& t) { t["encoder.block.1.layer.1.mlp.wi.weight"] = t[kEncoderWi]; });
  CHECK(contains(both.error(), "has both a dense feed-forward and experts"));

  SavedModel mixed(switch_config());
  mixed.change_tensors([](HostTensors& t) {
    t["encoder.block.0.layer.1.mlp.wi_0.weight"] = t["encoder.block.0.layer.1.mlp.wi.weight"];
  });
  CHECK(contains(mixed.error(), "gated and plain feed-forwards in one model"));

  for (const float bad : {std::nanf(""), -INFINITY}) {
    SavedModel nonfinite(switch_config());
    nonfinite.change_tensors([&](HostTensors& t) { t[kEncoderWi].values[4] = bad; });
    CHECK(contains(nonfinite.error(), "tensor " + kEncoderWi + ": "));
    CHECK(contains(nonfinite.error(), "at element 4, expected finite numbers"));
    load_model(*nonfinite.tiny.ctx, nonfinite.folder.path(), true);
  }
}

TEST_CASE("hf: other names and copies that files have are understood") {
  using HostTensors = SavedModel::HostTensors;
  ModelConfig untied = switch_config();
  untied.tie_word_embeddings = false;
  SavedModel head(untied);
  head.rename_tensor("lm_head.weight", "decoder.lm_head.weight");
  const LoadedModel loaded = head.load();
  CHECK(loaded.model->config() == untied);
  CHECK(all_values(head, *loaded.values) == all_values(head, head.tiny.values));

  SavedModel prefixed(switch_config());
  prefixed.change_tensors([](HostTensors& t) {
    HostTensors renamed;
    for (const auto& [name, tensor] : t) renamed["switch_transformers." + name] = tensor;
    t = renamed;
  });
  CHECK(all_values(prefixed, *prefixed.load().values) ==
        all_values(prefixed, prefixed.tiny.values));

  SavedModel copies(switch_config());
  copies.change_tensors([](HostTensors& t) {
    for (const char* name :
         {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight"})
      t[name] = t["shared.weight"];
  });
  CHECK(copies.load().model->config() == switch_config());
  copies.change_tensors([](HostTensors& t) { t.erase("shared.weight"); });
  CHECK(copies.load().model->config() == switch_config());
  copies.change_tensors([](HostTensors& t) { t["decoder.embed_tokens.weight"].values[0] += 1; });
  CHECK(contains(copies.error(), "tensor decoder.embed_tokens.weight differs from"));
}

TEST_CASE("hf: what is no model folder is named") {
  SavedModel saved(switch_config());
  const auto error_of = [&](const fs::path& folder) -> std::string {
    try {
      load_model(*saved.tiny.ctx, folder);
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  };
  CHECK(contains(error_of(saved.folder / "missing"), "missing: no such folder"));
  CHECK(contains(error_of(saved.folder / "config.json"), "config.json: not a folder"));
  fs::rename(saved.folder / "model.safetensors", saved.folder / "pytorch_model.bin");
  CHECK(contains(saved.error(), "switch-convert " + saved.folder.path().string() + " -o OUT"));
  fs::remove(saved.folder / "pytorch_model.bin");
  CHECK(contains(saved.error(), "no model.safetensors and no model.safetensors.index.json"));
  fs::create_symlink("nowhere", saved.folder / "model.safetensors");
  CHECK(contains(saved.error(), "model.safetensors: cannot open: No such file"));
  fs::remove(saved.folder / "config.json");
  CHECK(contains(saved.error(), "config.json: cannot open: No such file"));
}

TEST_CASE("hf: sharded weights") {
  using HostTensors = SavedModel::HostTensors;
  SavedModel saved(switch_config());
  const std::string one = "model-00001-of-00002.safetensors";
  const std::string two = "model-00002-of-00002.safetensors";
  json map;
  const auto part = [&](bool first, const std::string& name) {
    saved.change_tensors(
        [&](HostTensors& t) {
          HostTensors kept;
          std::size_t i = 0;
          for (const auto& [tensor_name, tensor] : t)
            if ((2 * i++ < t.size()) == first) {
              kept[tensor_name] = tensor;
              map[tensor_name] = name;
            }
          t = kept;
        },
        name);
  };
  part(true, one);
  part(false, two);
  const fs::path index = saved.folder / "model.safetensors.index.json";
  const auto set_map = [&](const json& weight_map) {
    write_text(index, json{{"metadata", {{"total_size", 1}}}, {"weight_map", weight_map}}.dump());
  };
  set_map(map);
  CHECK(contains(saved.warnings(), "both model.safetensors and model.safetensors.index.json"));
  fs::remove(saved.folder / "model.safetensors");
  CHECK(all_values(saved, *saved.load().values) == all_values(saved, saved.tiny.values));

  json slashes;
  for (const auto& [name, shard] : map.items()) {
    std::string other = name;
    std::replace(other.begin(), other.end(), '.', '/');
    slashes[other] = shard;
  }
  set_map(slashes);
  CHECK(saved.error() == "");

  for (const std::string& shard :
       {std::string("../x.safetensors"), std::string("/etc/x.safetensors"), std::string(),
        std::string("."), std::string("..safetensors"), std::string("a\0.safetensors", 14),
        std::string(100'000, 'a') + ".safetensors", std::string("model.safetensors.index.json")}) {
    json bad = map;
    bad["shared.weight"] = shard;
    set_map(bad);
    CAPTURE(shard.substr(0, 40));
    CHECK(contains(saved.error(), "weight_map: tensor shared.weight: shard"));
  }
  json many = map;
  for (int i = 0; i < 100'000; ++i)
    many[std::to_string(i)] = std::to_string(i) + ".safetensors";
  set_map(many);
  CHECK(contains(saved.error(), "more than 4096 shards"));

  json elsewhere = map;
  elsewhere["shared.weight"] = one;
  set_map(elsewhere);
  CHECK(contains(saved.error(), two + ": tensor shared.weight is in this shard"));
  json unmapped = map;
  unmapped.erase("shared.weight");
  set_map(unmapped);
  CHECK(contains(saved.error(), two + ": tensor shared.weight is not in the index"));
  json absent = map;
  absent["ghost"] = one;
  set_map(absent);
  CHECK(contains(saved.error(), one + ": no tensor ghost"));
  set_map(json::array());
  CHECK(contains(saved.error(), "no weight_map object"));
  set_map(map);
  const std::string whole = read_text(saved.folder / two);
  write_text(saved.folder / two, whole.substr(0, whole.size() - 1));
  CHECK(contains(saved.error(), two + ": "));
  fs::remove(saved.folder / two);
  CHECK(contains(saved.error(), two + ": cannot open"));
}
