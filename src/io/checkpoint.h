// SPDX-License-Identifier: Apache-2.0
// A checkpoint: one folder with all that a training run goes on from. It is a model folder (io/hf)
// and has, beside, optimizer.safetensors, trainer_state.json and checksums.json. It appears under
// its name only when all of it is durable; a cut or changed file is found by its checksum.
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
  // What is kept beside the values: of the optimizer, the parameters of which the values are a
  // running average. The tensors are named "NAME/PARAMETER".
  std::vector<StateTensor> state;
  // Writes further files (spiece.model) into the folder it gets; may be empty.
  std::function<void(const std::filesystem::path&)> add_files;
};

// `trainer_state` is what the trainer wants back; any JSON object. Error(kRuntime) where writing
// fails, Error(kDiverged) where a value is not finite: the folder is then as it was.
void save_checkpoint(Context& ctx, const std::filesystem::path& folder,
                     const CheckpointParts& parts, const nlohmann::json& trainer_state);

// Whether every file is there and has the size and checksum it was written with; `problem` names
// what is not so.
bool checkpoint_is_whole(const std::filesystem::path& folder, std::string& problem);

// What save_checkpoint() got as trainer_state.
nlohmann::json read_trainer_state(const std::filesystem::path& folder);

// Fills `values` and the state of a model that has been built. Error(kData) where the checkpoint is
// not whole, or is of another model or has another state: the message names both.
void load_checkpoint(Context& ctx, const std::filesystem::path& folder, const Model& model,
                     const ParamBuffer& values, const std::vector<StateTensor>& state);

// Copies the model of a checkpoint, without what only training needs, into an existing folder: each
// file durably, config.json last, so that a folder which has it has a model. Error(kData) where a
// file is not as it was written.
void export_model(const std::filesystem::path& checkpoint, const std::filesystem::path& folder);

// The last whole one of `folders` (oldest first). A warning names each damaged one that is passed
// over; Error(kData) where all are damaged. Empty where there are none.
std::filesystem::path newest_whole_checkpoint(const std::vector<std::filesystem::path>& folders);

}  // namespace switchyard
