// SPDX-License-Identifier: Apache-2.0
// Loads and saves model directories in Hugging Face's format: config.json, generation_config.json
// and model.safetensors, or shards with an index. The tensors decide which layers are sparse or
// gated and whether the head is tied; a count or shape that contradicts config.json is an error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "src/io/generation_config.h"
#include "src/io/safetensors_writer.h"
#include "src/nn/model.h"

namespace switchyard {

struct LoadedModel {
  std::unique_ptr<ParamBuffer> values;  // null if the model owns its values
  std::unique_ptr<Model> model;         // bound to values
  GenerationConfig generation;
  std::string prepared_file;  // the name of the prepared file that was adopted; empty if none
};

// Error(kRuntime) if the directory does not exist or a file cannot be read, Error(kData) if a file
// is missing or malformed; the message names the file, the tensor or field, the value found and the
// value expected. Non-finite values are an error unless `allow_nonfinite` is set.
LoadedModel load_model(Context& ctx, const std::filesystem::path& directory,
                       bool allow_nonfinite = false);
// The same from files that are already open (io/hf_files.h).
struct ModelFiles;
LoadedModel load_opened_model(Context& ctx, ModelFiles files, bool allow_nonfinite = false);
// The same for translation, by Model::load_prepared(): each weight is packed for contexts like ctx
// as soon as it has been read, and values that packed forms replace are not kept. If the directory
// has a prepared file (io/prepared_model.h) of the context's type, with its layout and made from
// these weights, its packed weights are mapped instead; one that is damaged is an Error(kData).
LoadedModel load_prepared_model(Context& ctx, const std::filesystem::path& directory,
                                bool allow_nonfinite = false);

// Reads the values of a model whose files are open into a buffer of its layout. Errors as
// load_model().
void read_values(Context& ctx, const ModelFiles& files, const ParamBuffer& values,
                 bool allow_nonfinite = false);

// Writes the prepared file for contexts like ctx into a model directory, durably, and returns its
// path. Errors as load_model(); non-finite values are an error.
std::filesystem::path write_prepared_model(Context& ctx, const std::filesystem::path& directory);

// A tensor whose values are downloaded into `host` when it is written. Writing throws
// Error(kDiverged) naming the tensor if a value is not finite: non-finite values are never saved.
TensorToWrite tensor_to_write(Context& ctx, std::string name, std::vector<std::int64_t> shape,
                              View values, std::vector<float>& host);

// Writes config.json, generation_config.json and model.safetensors into an existing directory, each
// durably. `values` has the model's layout. Tokenizer::save() adds the vocabulary.
void save_model(Context& ctx, const std::filesystem::path& directory, const Model& model,
                const ParamBuffer& values, const GenerationConfig& generation);

}  // namespace switchyard
