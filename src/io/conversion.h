// SPDX-License-Identifier: Apache-2.0
// Converts models to directories in Hugging Face's format. Tensors pass through in blocks, so
// memory depends neither on the size of the model nor on that of a tensor.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "src/io/hf_files.h"

namespace switchyard {

// A model's tensors with a config that agrees with them, and what else its files say.
struct ModelToConvert {
  ModelFiles files;
  nlohmann::json config;      // of config.json, corrected
  nlohmann::json generation;  // of generation_config.json; settings from config.json without one
};

// Opens a model directory. Unlike open_model_files() it corrects a config.json that the tensors
// contradict (io/hf_correction.h) and warns of each correction. Otherwise the same errors.
ModelToConvert open_for_conversion(const std::filesystem::path& directory);

// The same for tensors from any source. Tensors need Hugging Face's names and shapes; `config` has
// the fields of a config.json, of which those that tensors show may be missing. `where` names its
// origin in messages.
ModelToConvert open_for_conversion(std::unique_ptr<TensorSource> source, nlohmann::json config,
                                   const std::filesystem::path& where);

// The dtype of tensors in files. In a narrower type than theirs, routers keep the type that they
// are stored in: the paper's selective precision (arXiv 2101.03961, 2.4).
enum class StoredType { unchanged, f32, bf16, f16 };

struct ConversionOptions {
  StoredType type = StoredType::unchanged;
  std::size_t max_shard_bytes = 10'000'000'000;
  std::function<void()> before_tensor = {};  // called before each tensor; may throw to stop
};

// Writes config.json, generation_config.json and the weights (as write_safetensors_shards() does)
// into an existing directory. Reads each tensor once, from its first to its last element. Returns
// true if all values are unchanged, false if some may have been rounded. Error(kData) naming file
// and tensor if an element is not finite or beyond the new type's range; Error(kUsage) if there
// would be more than kMaxWeightShards shards.
bool write_converted(const ModelToConvert& model, const std::filesystem::path& directory,
                     const ConversionOptions& options);

}  // namespace switchyard
