// SPDX-License-Identifier: Apache-2.0
#include "src/io/hf.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <exception>
#include <span>
#include <utility>

#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/log.h"
#include "src/core/parallel.h"
#include "src/io/hf_config.h"
#include "src/io/hf_files.h"
#include "src/io/hf_tensors.h"
#include "src/io/prepared_model.h"
#include "src/io/weight_files.h"

namespace switchyard {

namespace {

// Index of the first value that is not finite; values.size() if there is none.
std::size_t first_nonfinite(std::span<const float> values) {
  // Without an early exit, and on integers, this is vectorized.
  constexpr std::uint32_t kExponent = 0x7f800000;
  std::uint32_t found = 0;
  for (const float x : values) found |= (std::bit_cast<std::uint32_t>(x) & kExponent) == kExponent;
  if (found == 0) return values.size();
  const auto bad =
      std::find_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
  return static_cast<std::size_t>(bad - values.begin());
}

// Reads parameters in blocks of rows, so that large ones need no copy on the host.
class ParamReader {
 public:
  ParamReader(Context& ctx, const ModelFiles& files, bool allow_nonfinite)
      : ctx_(ctx), files_(files), allow_nonfinite_(allow_nonfinite) {}

  void operator()(const Param& param, View to) {
    const std::string& name = files_.names[static_cast<std::size_t>(param.index)];
    const std::int64_t block = std::max<std::int64_t>(1, ctx_.threads * kPiece / param.cols);
    for (std::int64_t row = 0; row < param.rows; row += block) {
      const View rows = to.slice_rows(row, std::min(block, param.rows - row));
      host_.resize(static_cast<std::size_t>(rows.size()));
      read(name, static_cast<std::size_t>(row * param.cols));
      upload(ctx_, host_.data(), rows.size(), rows);
    }
  }

 private:
  static constexpr std::int64_t kPiece = std::int64_t{1} << 18;  // elements a thread reads: 1 MiB

  // Fills host_ from element `begin` of a tensor.
  void read(const std::string& name, std::size_t begin) {
    const auto size = static_cast<std::int64_t>(host_.size());
    errors_.assign(host_.size() / kPiece + 1, nullptr);
    parallel_for(ctx_.threads, 0, size, kPiece, [&](std::int64_t first, std::int64_t last) {
      try {
        const auto at = static_cast<std::size_t>(first);
        const std::span<float> piece =
            std::span(host_).subspan(at, static_cast<std::size_t>(last) - at);
        files_.source->read_f32(name, begin + at, piece);
        if (!allow_nonfinite_) check_finite(name, begin + at, piece);
      } catch (...) {
        errors_[static_cast<std::size_t>(first / kPiece)] = std::current_exception();
      }
    });
    for (const std::exception_ptr& error : errors_)
      if (error) std::rethrow_exception(error);
  }

  // Checks values that start at element `begin` of the tensor.
  void check_finite(const std::string& name, std::size_t begin,
                    std::span<const float> values) const {
    const std::size_t bad = first_nonfinite(values);
    if (bad < values.size())
      fail(ErrorKind::kData, escaped(files_.source->file_of(name).native()), ": tensor ",
           escaped(name), ": ", values[bad], " at element ", begin + bad,
           ", expected finite numbers");
  }

  Context& ctx_;
  const ModelFiles& files_;
  const bool allow_nonfinite_;
  std::vector<float> host_;
  std::vector<std::exception_ptr> errors_;  // by piece: a parallel loop must not throw
};

}  // namespace

void read_values(Context& ctx, const ModelFiles& files, const ParamBuffer& values,
                 bool allow_nonfinite) {
  ParamReader read(ctx, files, allow_nonfinite);
  files.model->each_param([&](const Param& param) { read(param, values[param]); });
}

LoadedModel load_opened_model(Context& ctx, ModelFiles files, bool allow_nonfinite) {
  LoadedModel loaded;
  loaded.values = std::make_unique<ParamBuffer>(ctx, files.model->layout());
  read_values(ctx, files, *loaded.values, allow_nonfinite);
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
            const std::size_t bad = first_nonfinite(host);
            if (bad < host.size())
              fail(ErrorKind::kDiverged, "tensor ", escaped(name), ": ", host[bad], " at element ",
                   bad, "; only finite numbers are saved");
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
