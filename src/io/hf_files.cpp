// SPDX-License-Identifier: Apache-2.0
#include "src/io/hf_files.h"

#include <system_error>

#include "src/core/error.h"
#include "src/core/log.h"
#include "src/io/foreign_model.h"
#include "src/io/hf_architecture.h"
#include "src/io/weight_files.h"

namespace switchyard {

namespace {

// Hugging Face uses these only if there is no generation_config.json.
void warn_of_settings_in_config(const fs::path& directory, const std::string& settings) {
  std::error_code error;
  if (settings.empty() ||
      fs::exists(fs::symlink_status(directory / "generation_config.json", error)))
    return;
  log_warning(
      escaped((directory / "config.json").native()) +
      ": generation settings are read from generation_config.json only; ignored: " + settings);
}

// Returns the name of each parameter's tensor in the file, by Param::index. Checks the shapes and
// warns about unused tensors.
std::vector<std::string> locate(const Model& model, HfTensors& tensors) {
  const std::string& model_type = model.config().model_type;
  std::vector<std::string> places;
  std::string first_missing;
  std::int64_t missing = 0;
  model.each_param([&](const Param& param) {
    const HfTensors::Found* found = tensors.use(file_name_of(param.name, model_type));
    if (!found && param.name == "lm_head.weight") found = tensors.use_head();
    const bool embedding = param.name.find("embed_tokens") != std::string::npos;
    if (!found && (param.name == "shared.weight" || embedding)) found = tensors.use_shared();
    if (!found) {
      if (missing++ == 0) first_missing = file_name_of(param.name, model_type);
      return;
    }
    const std::vector<std::int64_t> expected = stored_shape(param);
    if (found->tensor->shape != expected)
      fail(ErrorKind::kData, "tensor ", escaped(found->name), ": shape ",
           shape_text(found->tensor->shape), ", expected ", shape_text(expected),
           " from config.json");
    places.push_back(found->name);
  });
  check(missing == 0, ErrorKind::kData, missing, missing == 1 ? " tensor is" : " tensors are",
        " missing; the first is ", first_missing);

  // Old T5 files have this tensor, but no program uses it.
  tensors.use("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight");
  std::string first_extra;
  std::int64_t extra = 0;
  for (const auto& [name, found] : tensors.all())
    if (!found.used && extra++ == 0) first_extra = found.name;
  if (extra > 0)
    log_warning(std::to_string(extra) + (extra == 1 ? " tensor is" : " tensors are") +
                " not used; the first is " + escaped(first_extra));
  return places;
}

}  // namespace

void check_model_directory(const fs::path& directory) {
  const std::string name = escaped(directory.native());
  std::error_code error;
  const fs::file_status status = fs::status(directory, error);
  check(fs::exists(status), ErrorKind::kRuntime, name, ": no such directory");
  check(fs::is_directory(status), ErrorKind::kRuntime, name,
        ": not a directory, expected one with config.json and model.safetensors");
  const fs::file_status config_status = fs::symlink_status(directory / "config.json", error);
  if (config_status.type() == fs::file_type::not_found)
    fail_without_model(directory, "config.json");
}

ModelFiles locate_tensors(std::unique_ptr<TensorSource> source, const FileConfig& config,
                          GenerationConfig generation) {
  ModelFiles files{std::move(source), nullptr, std::move(generation), {}};
  with_context(escaped(files.source->path().native()), [&] {
    HfTensors tensors(*files.source);
    files.model = std::make_unique<Model>(config_by_tensors(config, tensors));
    files.names = locate(*files.model, tensors);
  });
  return files;
}

ModelFiles open_model_files(const fs::path& directory) {
  check_model_directory(directory);
  FileConfig config = read_config(directory / "config.json");
  const GenerationConfig generation =
      read_generation_config(directory / "generation_config.json", config.model);
  warn_of_settings_in_config(directory, config.generation_settings);
  return locate_tensors(open_weights(directory), config, generation);
}

}  // namespace switchyard
