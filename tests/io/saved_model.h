// SPDX-License-Identifier: Apache-2.0
// A small model saved in Hugging Face's form, for tests that damage and load it.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/core/error.h"
#include "src/core/json.h"
#include "src/core/log.h"
#include "src/io/hf.h"
#include "src/io/safetensors.h"
#include "src/io/safetensors_writer.h"
#include "tests/support/catch.h"
#include "tests/support/read_tensor.h"
#include "tests/support/temp_directory.h"
#include "tests/support/tiny_model.h"

namespace switchyard {

using nlohmann::json;

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

struct SavedModel {
  explicit SavedModel(const ModelConfig& config) : tiny(config) {
    save_model(*tiny.ctx, directory.path(), tiny.model, tiny.values, {});
  }

  // The error of both ways to load the model, which must be the same.
  std::string error() {
    const auto error_of = [&](auto load) -> std::string {
      try {
        load(*tiny.ctx, directory.path(), false);
        return "";
      } catch (const Error& e) {
        return e.what();
      }
    };
    const std::string result = error_of(load_model);
    CHECK(error_of(load_prepared_model) == result);
    return result;
  }
  LoadedModel load() { return load_model(*tiny.ctx, directory.path()); }

  // Loads the model and returns the warnings.
  std::string warnings() {
    const fs::path log = directory / "log";
    open_log_file(log.string());
    load();
    open_log_file("/dev/null");
    const std::string text = read_text(log);
    fs::remove(log);
    return text;
  }

  json config() { return read_json_object(directory / "config.json"); }
  void set_config(const json& config) { write_text(directory / "config.json", config.dump()); }
  void set(const char* field, const json& value) {
    json c = config();
    c[field] = value;
    set_config(c);
  }

  // Rewrites the weights after `change` has edited them, by name.
  struct HostTensor {
    std::vector<std::int64_t> shape;
    std::vector<float> values;
  };
  using HostTensors = std::map<std::string, HostTensor>;
  template <class F>
  void change_tensors(F&& change, const std::string& file_name = "model.safetensors") {
    HostTensors tensors;
    {
      const SafetensorsFile file(directory / "model.safetensors");
      for (const auto& [name, tensor] : file.tensors())
        tensors[name] = {tensor.shape, read_f32(file, name)};
    }
    change(tensors);
    std::vector<TensorToWrite> list;
    for (const auto& [name, tensor] : tensors)
      list.push_back(
          {name, tensor.shape, [&t = tensor] { return std::span<const float>(t.values); }});
    write_safetensors(directory / file_name, list);
  }
  void rename_tensor(const std::string& from, const std::string& to) {
    change_tensors([&](HostTensors& tensors) {
      REQUIRE(tensors.count(from) == 1);
      tensors[to] = tensors[from];
      tensors.erase(from);
    });
  }

  TinyModel tiny;
  TempDirectory directory;
};

inline ModelConfig switch_config() {
  ModelConfig c = tiny_config({false, true}, {false, true});
  c.router_bias = true;
  return c;
}

inline ModelConfig dense_config() {
  ModelConfig c = tiny_config({false, false}, {false});
  c.model_type = "t5";
  c.num_experts = 1;
  c.is_gated_act = true;
  c.dense_act_fn = Activation::gelu_new;
  c.tie_word_embeddings = false;
  c.scale_decoder_outputs = false;
  return c;
}

inline std::vector<float> all_values(SavedModel& saved, const ParamBuffer& values) {
  return saved.tiny.read(values.flat());
}

inline const std::string kEncoderWi = "encoder.block.1.layer.1.mlp.experts.expert_2.wi.weight";
inline const std::string kRouter = "encoder.block.1.layer.1.mlp.router.classifier.weight";

}  // namespace switchyard
