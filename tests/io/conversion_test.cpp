// SPDX-License-Identifier: Apache-2.0
// Conversion: the same model in another form, config.json corrected by the tensors.
#include "src/io/conversion.h"

#include <cmath>

#include "src/core/float16.h"
#include "src/io/weight_files.h"
#include "tests/io/saved_model.h"

using namespace switchyard;

namespace {

using HostTensors = SavedModel::HostTensors;

// Converts and returns the warnings.
std::string convert(const fs::path& from, const fs::path& to,
                    const ConversionOptions& options = {}) {
  const TempDirectory logs;
  open_log_file((logs / "log").string());
  fs::create_directory(to);
  write_converted(open_for_conversion(from), to, options);
  open_log_file("/dev/null");
  return read_text(logs / "log");
}

std::string error_of(const fs::path& from, const ConversionOptions& options = {}) {
  const TempDirectory to;
  try {
    convert(from, to / "out", options);
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

ModelConfig untied_config() {
  ModelConfig c = switch_config();
  c.tie_word_embeddings = c.scale_decoder_outputs = false;
  return c;
}

}  // namespace

TEST_CASE("conversion: what this program has written stays as it is, byte for byte") {
  ModelConfig separate = untied_config();
  separate.separate_embeddings = true;
  ModelConfig own_head = switch_config();
  own_head.tie_word_embeddings = false;
  for (const ModelConfig& config :
       {switch_config(), dense_config(), untied_config(), separate, own_head}) {
    SavedModel saved(config);
    const TempDirectory to;
    CHECK(convert(saved.directory.path(), to / "out") == "");
    for (const char* name : {"model.safetensors", "config.json", "generation_config.json"}) {
      CAPTURE(name);
      CHECK(read_text(to / "out" / name) == read_text(saved.directory / name));
    }
  }
}

TEST_CASE("conversion: to narrower types and back") {
  SavedModel saved(switch_config());
  const TempDirectory to;
  const SafetensorsFile before(saved.directory / "model.safetensors");
  for (const bool half : {false, true}) {
    const std::string dtype = half ? "F16" : "BF16";
    const fs::path narrow = to / dtype, wide = to / (dtype + " back");
    convert(saved.directory.path(), narrow, {.type = half ? StoredType::f16 : StoredType::bf16});
    CHECK(read_json_object(narrow / "config.json")["dtype"] == (half ? "float16" : "bfloat16"));
    const SafetensorsFile file(narrow / "model.safetensors");
    CHECK(file.tensors().size() == before.tensors().size());
    for (const auto& [name, tensor] : file.tensors()) {
      CAPTURE(name);
      const bool router = contains(name, ".router.");
      CHECK(tensor.dtype == (router ? "F32" : dtype));
      CHECK(tensor.begin % 4 == 0);
      std::vector<float> expected = read_f32(before, name);
      for (float& x : expected)
        if (!router) x = half ? f16_to_f32(f32_to_f16(x)) : bf16_to_f32(f32_to_bf16(x));
      CHECK(read_f32(file, name) == expected);
    }
    const TempDirectory unchanged;
    convert(narrow, unchanged / "out");
    CHECK(read_text(unchanged / "out" / "model.safetensors") ==
          read_text(narrow / "model.safetensors"));
    convert(narrow, wide, {.type = StoredType::f32});
    const SafetensorsFile again(wide / "model.safetensors");
    for (const auto& [name, tensor] : again.tensors()) {
      CHECK(tensor.dtype == "F32");
      CHECK(read_f32(again, name) == read_f32(file, name));
    }
    CHECK(read_json_object(wide / "config.json") == saved.config());
  }
}

TEST_CASE("conversion: shards are filled as transformers fills them") {
  SavedModel saved(switch_config());
  const TempDirectory to;
  const SafetensorsFile before(saved.directory / "model.safetensors");
  std::size_t largest = 0, total = 0;
  for (const auto& [name, tensor] : before.tensors()) {
    largest = std::max(largest, tensor.bytes);
    total += tensor.bytes;
  }
  for (const std::size_t limit : {largest - 1, 2 * largest, total - 1}) {
    const fs::path out = to / std::to_string(limit);
    convert(saved.directory.path(), out, {.max_shard_bytes = limit});
    const json index = read_json_object(out / "model.safetensors.index.json");
    CHECK(index["metadata"] == json({{"total_parameters", total / 4}, {"total_size", total}}));
    CHECK(!fs::exists(out / "model.safetensors"));
    const auto source = open_weights(out);
    CHECK(index["weight_map"].size() == before.tensors().size());
    for (const auto& [name, tensor] : before.tensors()) {
      CHECK(index["weight_map"][name] == source->file_of(name).filename().string());
      CHECK(read_f32(*source, name) == read_f32(before, name));
    }
    std::map<fs::path, std::size_t> sizes;
    for (const auto& [name, tensor] : source->tensors())
      sizes[source->file_of(name)] += tensor.bytes;
    for (const auto& [file, bytes] : sizes) CHECK(bytes <= std::max(limit, largest));
    CHECK(sizes.size() == source->files().size() - 1);
  }
  CHECK(contains(read_text(to / std::to_string(total - 1) / "model.safetensors.index.json"),
                 "model-00002-of-00002.safetensors"));
  SavedModel many(switch_config());
  ModelConfig config = switch_config();
  config.num_experts = 1200;
  SavedModel experts(config);
  CHECK(contains(error_of(experts.directory.path(), {.max_shard_bytes = 1}),
                 "shards of at most 1 bytes, expected at most 4,096"));
}

TEST_CASE("conversion: config.json is corrected by the tensors") {
  SavedModel saved(switch_config());
  const json good = saved.config();
  const std::pair<const char*, json> wrong[] = {{"vocab_size", 300},
                                                {"d_model", 32},
                                                {"d_ff", 999},
                                                {"d_kv", 3},
                                                {"num_heads", 7},
                                                {"num_layers", 9},
                                                {"num_decoder_layers", 1},
                                                {"num_experts", 8},
                                                {"router_bias", false},
                                                {"model_type", "t5"},
                                                {"decoder_sparse_step", 1}};
  for (const auto& [field, value] : wrong) {
    CAPTURE(field);
    json config = good;
    config.erase("switchyard");
    config[field] = value;
    saved.set_config(config);
    const TempDirectory to;
    const std::string warnings = convert(saved.directory.path(), to / "out");
    const bool sparse = contains(field, "sparse");
    CHECK(contains(warnings, sparse ? "sparse layers of the decoder: [0,1], but the tensors say [1]"
                                    : std::string("corrected ") + field + ": " + value.dump() +
                                          ", but the tensors say " + good[field].dump()));
    CHECK(read_json_object(to / "out" / "config.json") == good);
  }
}

TEST_CASE("conversion: a head that converters of T5X name is not tied") {
  SavedModel saved(untied_config());
  saved.change_tensors([](HostTensors& t) {
    t["decoder.lm_head.weight"] = t["lm_head.weight"];
    for (const char* copy :
         {"lm_head.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"})
      t.erase(copy);
  });
  saved.set("tie_word_embeddings", true);
  const TempDirectory to;
  CHECK(contains(convert(saved.directory.path(), to / "out"),
                 "corrected tie_word_embeddings: true, but the tensors say false"));
  const SafetensorsFile file(to / "out" / "model.safetensors");
  for (const char* name : {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"})
    CHECK(read_f32(file, name) == read_f32(file, "shared.weight"));
  CHECK(read_f32(file, "lm_head.weight") ==
        saved.tiny.read(saved.tiny.values[*saved.tiny.model.lm_head]));
  CHECK(read_json_object(to / "out" / "config.json")["tie_word_embeddings"] == false);
}

TEST_CASE("conversion: copies, prefixes and tensors of other programs") {
  SavedModel saved(switch_config());
  saved.change_tensors([](HostTensors& t) {
    HostTensors renamed;
    for (const auto& [name, tensor] : t) renamed["switch_transformers." + name] = tensor;
    for (const char* copy :
         {"lm_head.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"})
      renamed[copy] = t["shared.weight"];
    renamed["position_ids"] = {{1}, {0}};
    t = renamed;
  });
  const TempDirectory to;
  CHECK(contains(convert(saved.directory.path(), to / "out"),
                 "1 tensor is not used; the first is position_ids"));
  SavedModel plain(switch_config());
  CHECK(read_text(to / "out" / "model.safetensors") ==
        read_text(plain.directory / "model.safetensors"));
}

TEST_CASE("conversion: fields of config.json and generation settings that are not ours are kept") {
  SavedModel saved(dense_config());
  saved.set("task_specific_params", {{"translation_en_to_de", {{"prefix", "x"}}}});
  saved.set("n_positions", 512);
  saved.set("repetition_penalty", 1.5);
  saved.set("transformers_version", "4.57.6");
  fs::remove(saved.directory / "generation_config.json");
  const TempDirectory to;
  convert(saved.directory.path(), to / "out");
  const json config = read_json_object(to / "out" / "config.json");
  CHECK(config["n_positions"] == 512);
  CHECK(config["task_specific_params"]["translation_en_to_de"]["prefix"] == "x");
  CHECK(!config.contains("transformers_version"));
  const json generation = read_json_object(to / "out" / "generation_config.json");
  CHECK(generation["repetition_penalty"] == 1.5);
  CHECK(generation["eos_token_id"] == 1);
}

TEST_CASE("conversion: an mT5 model and other names of fields") {
  SavedModel saved(dense_config());
  json config = saved.config();
  for (const auto& [alias, key] :
       {std::pair("hidden_size", "d_model"), std::pair("num_hidden_layers", "num_layers"),
        std::pair("num_attention_heads", "num_heads"), std::pair("head_dim", "d_kv")}) {
    config[alias] = config[key];
    config.erase(key);
  }
  config["model_type"] = "mt5";
  for (const char* key : {"feed_forward_proj", "is_gated_act", "dense_act_fn",
                          "scale_decoder_outputs", "tie_word_embeddings"})
    config.erase(key);
  const json good = saved.config();
  saved.set_config(config);
  CHECK(saved.load().model->config() == saved.tiny.model.config());
  const TempDirectory to;
  CHECK(convert(saved.directory.path(), to / "out") == "");
  CHECK(read_json_object(to / "out" / "config.json") == good);
  saved.set("d_model", 4096);
  CHECK(contains(saved.error(), "config.json: d_model: 4096, but hidden_size says "));
}

TEST_CASE("conversion: values that do not fit the new type, and other errors") {
  for (const float bad : {std::nanf(""), INFINITY, 65520.0f}) {
    SavedModel saved(switch_config());
    saved.change_tensors([&](HostTensors& t) { t[kEncoderWi].values[4] = bad; });
    const std::string error = error_of(saved.directory.path(), {.type = StoredType::f16});
    CHECK(contains(error, "model.safetensors: tensor " + kEncoderWi + ": "));
    CHECK(contains(error, std::isfinite(bad)
                              ? "65520 at element 4, expected a value in the range of F16"
                              : "at element 4, expected finite numbers"));
    CHECK((error_of(saved.directory.path()) == "") == std::isfinite(bad));
  }
  SavedModel saved(switch_config());
  CHECK_THROWS_AS(
      convert(saved.directory.path(), saved.directory / "out", {.before_tensor = [] { throw 1; }}),
      int);
  saved.change_tensors([](HostTensors& t) { t.erase(kEncoderWi); });
  CHECK(contains(error_of(saved.directory.path()), "1 tensor is missing; the first is"));
}
