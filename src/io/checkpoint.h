// SPDX-License-Identifier: Apache-2.0
// Checkpoints: directories with everything a training run needs to resume. A checkpoint is a model
// directory (io/hf) plus optimizer.safetensors, trainer_state.json and checksums.json. It appears
// under its name only once all of its files are durable; the checksums reveal truncated or changed
// files.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "src/io/hf.h"

namespace switchyard {

struct CheckpointParts {
  const Model& model;
  const ParamBuffer& values;  // of model.safetensors
  const GenerationConfig& generation;
  // The optimizer's state and, if `values` are a moving average, the parameters that they average.
  // Tensors are named "NAME/PARAMETER".
  std::vector<StateTensor> state;
  // Writes additional files (the tokenizer's) into the given directory; may be empty.
  std::function<void(const std::filesystem::path&)> add_files;
};

// Creates or replaces `directory`. `trainer_state` is any JSON object; read_trainer_state() returns
// it. Error(kRuntime) if writing fails, Error(kDiverged) if a value is not finite; the directory is
// then unchanged.
void save_checkpoint(Context& ctx, const std::filesystem::path& directory,
                     const CheckpointParts& parts, const nlohmann::json& trainer_state);

// Returns true if every file is present with the size and checksum it was written with; otherwise
// describes the first mismatch in `problem`.
bool checkpoint_is_whole(const std::filesystem::path& directory, std::string& problem);

// Returns the trainer_state that was passed to save_checkpoint().
nlohmann::json read_trainer_state(const std::filesystem::path& directory);

// Fills `values` and `state` of an existing model. Error(kData) if the checkpoint is damaged, or if
// its model or state differs; the message names both.
void load_checkpoint(Context& ctx, const std::filesystem::path& directory, const Model& model,
                     const ParamBuffer& values, const std::vector<StateTensor>& state);

// Copies a checkpoint's model, without the files that only training needs, into an existing
// directory. Each file is copied durably, config.json last, so a directory with a config.json has a
// complete model. Error(kData) if a file fails its checksum.
void export_model(const std::filesystem::path& checkpoint, const std::filesystem::path& directory);

// Returns the last undamaged checkpoint of `directories` (oldest first), or an empty path if there
// are no directories. Warns about each damaged one that it skips; Error(kData) if all are damaged.
std::filesystem::path newest_whole_checkpoint(
    const std::vector<std::filesystem::path>& directories);

}  // namespace switchyard
