// SPDX-License-Identifier: Apache-2.0
// write_model DIR: saves random models for tests/cli/transformers_roundtrip.py, each in a directory
// with a batch (batch.json) and its logits (logits.safetensors). One of them has a tokenizer.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/io/hf.h"
#include "src/io/safetensors_writer.h"
#include "tests/support/tiny_model.h"
#include "tests/text/small_tokenizer.h"

using namespace switchyard;

namespace {

void write_case(const fs::path& directory, const ModelConfig& config) {
  fs::create_directories(directory);
  TinyModel tiny(config);
  save_model(*tiny.ctx, directory, tiny.model, tiny.values, {});
  const HostBatch batch = random_batch(config, {4, 1, 7}, {3, 6, 1}, 5);
  const nlohmann::json ids = {{"source", batch.source}, {"target", batch.target}};
  write_file_durably(directory / "batch.json", ids.dump());
  const Batch uploaded = upload_batch(*tiny.ctx, tiny.ctx->saved, batch, config);
  const View logits = tiny.model.logits(*tiny.ctx, {}, uploaded);
  const std::vector<float> host = tiny.read(logits);
  write_safetensors(
      directory / "logits.safetensors",
      {{"logits", {logits.rows, logits.cols}, [&] { return std::span<const float>(host); }}});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const fs::path directory = argv[1];
  try {
    ModelConfig sparse = tiny_config({false, true}, {true, true});
    sparse.router_bias = true;
    write_case(directory / "switch", sparse);
    ModelConfig half = tiny_config({false, true, false, true}, {false, false});
    half.dense_act_fn = Activation::gelu_new;
    half.relative_attention_num_buckets = 32;
    half.relative_attention_max_distance = 128;
    write_case(directory / "switch-dense-decoder", half);
    ModelConfig untied = sparse;
    untied.tie_word_embeddings = untied.scale_decoder_outputs = false;
    write_case(directory / "switch-untied", untied);
    ModelConfig separate = untied;
    separate.separate_embeddings = true;
    write_case(directory / "switch-separate", separate);
    ModelConfig own_head = sparse;
    own_head.tie_word_embeddings = false;
    write_case(directory / "switch-head-scaled", own_head);
    write_case(directory / "dense", tiny_config());
    small_tokenizer().save(directory / "dense");
    ModelConfig gated = tiny_config();
    gated.is_gated_act = true;
    gated.dense_act_fn = Activation::gelu_new;
    gated.tie_word_embeddings = gated.scale_decoder_outputs = false;
    write_case(directory / "dense-gated-untied", gated);
    ModelConfig silu = tiny_config();
    silu.dense_act_fn = Activation::silu;
    silu.scale_decoder_outputs = false;
    write_case(directory / "dense-unscaled", silu);
    return 0;
  } catch (const Error& e) {
    std::fprintf(stderr, "write_model: error: %s\n", e.what());
    return 1;
  }
}
