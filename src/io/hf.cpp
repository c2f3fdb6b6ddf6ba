// SPDX-License-Identifier: Apache-2.0
#include "src/io/hf.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/log.h"
#include "src/io/foreign_model.h"
#include "src/io/hf_architecture.h"
#include "src/io/hf_config.h"
#include "src/io/hf_tensors.h"
#include "src/io/prepared_model.h"
#include "src/io/weight_files.h"

namespace switchyard {

namespace {

void check_directory(const fs::path& directory) {
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

std::vector<float>::const_iterator first_nonfinite(const std::vector<float>& values) {
  return std::find_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
}

// A model without values, and where to find them.
struct ModelFiles {
  LoadedModel loaded;
  std::unique_ptr<TensorSource> source;
  std::vector<std::string> names;  // of the tensors, by Param::index
};

ModelFiles open_model(const fs::path& directory) {
  check_directory(directory);
  FileConfig file = read_config(directory / "config.json");
  ModelFiles files;
  files.loaded.generation =
      read_generation_config(directory / "generation_config.json", file.model);
  warn_of_settings_in_config(directory, file.generation_settings);
  files.source = open_weights(directory);
  with_context(escaped(files.source->path().native()), [&] {
    HfTensors tensors(*files.source);
    files.loaded.model = std::make_unique<Model>(config_by_tensors(file, tensors));
    files.names = locate(*files.loaded.model, tensors);
  });
  return files;
}

// Reads parameters in blocks of rows, so that large ones need no copy on the host.
class ParamReader {
 public:
  ParamReader(Context& ctx, const ModelFiles& files, bool allow_nonfinite)
      : ctx_(ctx), files_(files), allow_nonfinite_(allow_nonfinite) {}

  void operator()(const Param& param, View to) {
    const std::string& name = files_.names[static_cast<std::size_t>(param.index)];
    const std::int64_t block = std::max<std::int64_t>(1, kBlock / param.cols);
    for (std::int64_t row = 0; row < param.rows; row += block) {
      const View rows = to.slice_rows(row, std::min(block, param.rows - row));
      const std::int64_t begin = row * param.cols;
      host_.resize(static_cast<std::size_t>(rows.size()));
      files_.source->read_f32(name, static_cast<std::size_t>(begin), host_);
      if (!allow_nonfinite_) check_finite(name, begin);
      upload(ctx_, host_.data(), rows.size(), rows);
    }
  }

 private:
  static constexpr std::int64_t kBlock = std::int64_t{1} << 18;  // elements: 1 MiB

  // Checks the elements read last, which start at element `begin` of the tensor.
  void check_finite(const std::string& name, std::int64_t begin) const {
    const auto bad = first_nonfinite(host_);
    if (bad != host_.end())
      fail(ErrorKind::kData, escaped(files_.source->file_of(name).native()), ": tensor ",
           escaped(name), ": ", *bad, " at element ", begin + (bad - host_.begin()),
           ", expected finite numbers");
  }

  Context& ctx_;
  const ModelFiles& files_;
  const bool allow_nonfinite_;
  std::vector<float> host_;
};

}  // namespace

LoadedModel load_model(Context& ctx, const fs::path& directory, bool allow_nonfinite) {
  ModelFiles files = open_model(directory);
  LoadedModel& loaded = files.loaded;
  ParamReader read(ctx, files, allow_nonfinite);
  loaded.values = std::make_unique<ParamBuffer>(ctx, loaded.model->layout());
  loaded.model->each_param([&](const Param& param) { read(param, (*loaded.values)[param]); });
  loaded.model->bind(ctx, *loaded.values);
  return std::move(loaded);
}

LoadedModel load_prepared_model(Context& ctx, const fs::path& directory, bool allow_nonfinite) {
  ModelFiles files = open_model(directory);
  Model& model = *files.loaded.model;
  files.loaded.prepared_file = adopt_prepared_file(ctx, directory, *files.source, model);
  if (files.loaded.prepared_file.empty())
    model.load_prepared(ctx, ParamReader(ctx, files, allow_nonfinite));
  return std::move(files.loaded);
}

fs::path write_prepared_model(Context& ctx, const fs::path& directory) {
  check_directory(directory);
  const Source source(*open_weights(directory));
  const ModelFiles files = open_model(directory);
  files.loaded.model->load_prepared(ctx, ParamReader(ctx, files, false));
  // Whatever was opened above, these are the weights that were packed.
  const std::string difference = source.difference(*open_weights(directory));
  check(difference.empty(), ErrorKind::kData, escaped(directory.native()),
        ": the weights changed while they were prepared: ", difference);
  const fs::path path = directory / prepared_name(ctx.weight_type);
  write_prepared_file(ctx, path, *files.loaded.model, source);
  return path;
}

TensorToWrite tensor_to_write(Context& ctx, std::string name, std::vector<std::int64_t> shape,
                              View values, std::vector<float>& host) {
  return {name, std::move(shape), [&ctx, &host, values, name] {
            host.resize(static_cast<std::size_t>(values.size()));
            download(ctx, values, host.data(), values.size());
            const auto bad = first_nonfinite(host);
            if (bad != host.end())
              fail(ErrorKind::kDiverged, "tensor ", escaped(name), ": ", *bad, " at element ",
                   bad - host.begin(), "; only finite numbers are saved");
            return std::span<const float>(host);
          }};
}

void save_model(Context& ctx, const fs::path& directory, const Model& model,
                const ParamBuffer& values, const GenerationConfig& generation) {
  const ModelConfig& config = model.config();
  const std::string model_type = written_model_type(config);
  std::vector<float> host;
  std::vector<TensorToWrite> tensors;
  const auto add = [&](const std::string& name, const Param& param) {
    tensors.push_back(tensor_to_write(ctx, name, stored_shape(param), values[param], host));
  };
  model.each_param([&](const Param& param) { add(file_name_of(param.name, model_type), param); });
  // transformers 5 stores every table of an untied Switch model separately.
  if (model_type == "switch_transformers" && !config.scale_decoder_outputs) {
    if (config.tie_word_embeddings) add("lm_head.weight", model.shared);
    if (!config.separate_embeddings)
      for (const char* name : {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"})
        add(name, model.shared);
  }
  write_safetensors(directory / "model.safetensors", std::move(tensors));
  write_file_durably(directory / "config.json", config_text(config));
  write_file_durably(directory / "generation_config.json",
                     generation_config_text(config, generation));
}

}  // namespace switchyard
