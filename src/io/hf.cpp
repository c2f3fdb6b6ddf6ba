// SPDX-License-Identifier: Apache-2.0
#include "src/io/hf.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/log.h"
#include "src/io/hf_config.h"
#include "src/io/hf_files.h"
#include "src/io/hf_tensors.h"
#include "src/io/prepared_model.h"
#include "src/io/weight_files.h"

namespace switchyard {

namespace {

std::vector<float>::const_iterator first_nonfinite(const std::vector<float>& values) {
  return std::find_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
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

LoadedModel load_opened_model(Context& ctx, ModelFiles files, bool allow_nonfinite) {
  LoadedModel loaded;
  ParamReader read(ctx, files, allow_nonfinite);
  loaded.values = std::make_unique<ParamBuffer>(ctx, files.model->layout());
  files.model->each_param([&](const Param& param) { read(param, (*loaded.values)[param]); });
  files.model->bind(ctx, *loaded.values);
  loaded.model = std::move(files.model);
  loaded.generation = std::move(files.generation);
  return loaded;
}

LoadedModel load_model(Context& ctx, const fs::path& directory, bool allow_nonfinite) {
  return load_opened_model(ctx, open_model_files(directory), allow_nonfinite);
}

LoadedModel load_prepared_model(Context& ctx, const fs::path& directory, bool allow_nonfinite) {
  ModelFiles files = open_model_files(directory);
  LoadedModel loaded;
  loaded.prepared_file = adopt_prepared_file(ctx, directory, *files.source, *files.model);
  if (loaded.prepared_file.empty())
    files.model->load_prepared(ctx, ParamReader(ctx, files, allow_nonfinite));
  loaded.model = std::move(files.model);
  loaded.generation = std::move(files.generation);
  return loaded;
}

fs::path write_prepared_model(Context& ctx, const fs::path& directory) {
  check_model_directory(directory);
  const Source source(*open_weights(directory));
  const ModelFiles files = open_model_files(directory);
  files.model->load_prepared(ctx, ParamReader(ctx, files, false));
  // Whatever was opened above, these are the weights that were packed.
  const std::string difference = source.difference(*open_weights(directory));
  check(difference.empty(), ErrorKind::kData, escaped(directory.native()),
        ": the weights changed while they were prepared: ", difference);
  const fs::path path = directory / prepared_name(ctx.weight_type);
  write_prepared_file(ctx, path, *files.model, source);
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
  std::vector<float> host;
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, param] : written_tensors(model))
    tensors.push_back(tensor_to_write(ctx, name, stored_shape(*param), values[*param], host));
  write_safetensors(directory / "model.safetensors", std::move(tensors));
  write_file_durably(directory / "config.json", config_text(model.config()));
  write_file_durably(directory / "generation_config.json",
                     generation_config_text(model.config(), generation));
}

}  // namespace switchyard
