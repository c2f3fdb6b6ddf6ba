// SPDX-License-Identifier: Apache-2.0
// Weights as found in the wild: other names, copies, shards, and files that are something else.
#include <algorithm>

#include "tests/io/saved_model.h"

using namespace switchyard;

TEST_CASE("hf: missing, extra, wrong and non-finite tensors") {
  using HostTensors = SavedModel::HostTensors;
  SavedModel saved(switch_config());
  saved.change_tensors([](HostTensors& t) { t["more.weight"] = {{1}, {0}}; });
  CHECK(contains(saved.warnings(), "1 tensor is not used; the first is more.weight"));

  saved.change_tensors([](HostTensors& t) {
    t.erase("more.weight");
    t.erase(kEncoderWi);
    t.erase("decoder.final_layer_norm.weight");
  });
  CHECK(contains(saved.error(), "2 tensors are missing; the first is " + kEncoderWi));

  SavedModel no_router(switch_config());
  no_router.change_tensors([](HostTensors& t) { t.erase(kRouter); });
  CHECK(contains(no_router.error(), "1 tensor is missing; the first is " + kRouter));

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
    load_model(*nonfinite.tiny.ctx, nonfinite.directory.path(), true);
  }
}

TEST_CASE("hf: a tensor that is read in several blocks") {
  ModelConfig config = switch_config();
  config.vocab_size = 100'003;
  SavedModel saved(config);
  CHECK(all_values(saved, *saved.load().values) == all_values(saved, saved.tiny.values));
  const LoadedModel prepared = load_prepared_model(*saved.tiny.ctx, saved.directory.path(), false);
  CHECK(!prepared.values);
  // The scalar backend has no packed forms, so every value is kept.
  prepared.model->each_param([&](const Param& param) {
    CAPTURE(param.name);
    CHECK(saved.tiny.read(param.weight.value) == saved.tiny.read(saved.tiny.values[param]));
  });
  saved.change_tensors(
      [](SavedModel::HostTensors& t) { t["shared.weight"].values[600'001] = NAN; });
  CHECK(contains(saved.error(), "tensor shared.weight: nan at element 600001, expected finite"));

  // Of several, the first is named, whichever thread finds its own first.
  saved.change_tensors([](SavedModel::HostTensors& t) {
    for (const std::size_t i : {300'000, 900'000, 1'500'000}) t["shared.weight"].values[i] = NAN;
  });
  for (const int threads : {1, 2, 3, 8}) {
    CAPTURE(threads);
    const auto ctx = make_context({threads});
    try {
      load_model(*ctx, saved.directory.path());
      FAIL("loaded");
    } catch (const Error& e) {
      CHECK(contains(e.what(), "nan at element 300000, expected finite"));
    }
  }
}

TEST_CASE("hf: alternative names and copies of tensors are accepted") {
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

TEST_CASE("hf: an untied model without a head is rejected, but T5 is tied with a warning") {
  SavedModel tied(switch_config());
  tied.set("tie_word_embeddings", false);
  CHECK(contains(tied.error(),
                 "no tensor lm_head.weight, but config.json says tie_word_embeddings false"));

  ModelConfig t5_config = dense_config();
  t5_config.tie_word_embeddings = true;
  SavedModel t5(t5_config);
  CHECK(t5.warnings().empty());
  json config = t5.config();
  config["tie_word_embeddings"] = false;  // how transformers 4 says not to scale
  config.erase("scale_decoder_outputs");
  t5.set_config(config);
  CHECK(t5.load().model->config() == t5_config);
  CHECK(contains(t5.warnings(), "no tensor lm_head.weight"));
  config.erase("tie_word_embeddings");
  t5.set_config(config);
  CHECK(t5.warnings().empty());
}

TEST_CASE("hf: a directory without a model is explained") {
  SavedModel saved(switch_config());
  const auto error_of = [&](const fs::path& directory) -> std::string {
    try {
      load_model(*saved.tiny.ctx, directory);
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  };
  CHECK(contains(error_of(saved.directory / "missing"), "missing: no such directory"));
  CHECK(contains(error_of(saved.directory / "config.json"), "config.json: not a directory"));
  fs::rename(saved.directory / "model.safetensors", saved.directory / "model.npz");
  CHECK(contains(saved.error(), "a Marian model (model.npz)"));
  fs::remove(saved.directory / "model.npz");
  CHECK(contains(saved.error(), "no model.safetensors, expected a model directory"));
  fs::create_symlink("nowhere", saved.directory / "model.safetensors");
  CHECK(contains(saved.error(), "model.safetensors: cannot open: No such file"));
  fs::remove(saved.directory / "config.json");
  CHECK(contains(saved.error(), "no config.json, expected a model directory"));
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
  const fs::path index = saved.directory / "model.safetensors.index.json";
  const auto set_map = [&](const json& weight_map) {
    write_text(index, json{{"metadata", {{"total_size", 1}}}, {"weight_map", weight_map}}.dump());
  };
  set_map(map);
  CHECK(contains(saved.warnings(), "both model.safetensors and model.safetensors.index.json"));
  fs::remove(saved.directory / "model.safetensors");
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
  for (int i = 0; i < 100'000; ++i) many[std::to_string(i)] = std::to_string(i) + ".safetensors";
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
  const std::string whole = read_text(saved.directory / two);
  write_text(saved.directory / two, whole.substr(0, whole.size() - 1));
  CHECK(contains(saved.error(), two + ": "));
  fs::remove(saved.directory / two);
  CHECK(contains(saved.error(), two + ": cannot open"));
}
