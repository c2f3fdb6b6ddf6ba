// SPDX-License-Identifier: Apache-2.0
#include "src/io/conversion.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "src/core/dtype.h"
#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/float16.h"
#include "src/core/json.h"
#include "src/core/log.h"
#include "src/io/generation_settings.h"
#include "src/io/hf_correction.h"
#include "src/io/hf_tensors.h"
#include "src/io/safetensors_writer.h"
#include "src/io/weight_files.h"

namespace switchyard {

namespace {

using nlohmann::json;

constexpr std::size_t kBlock = std::size_t{1} << 18;  // elements

bool is_router(std::string_view name) { return name.find(".router.") != std::string_view::npos; }

std::string_view written_dtype(const StoredTensor& tensor, std::string_view name, StoredType type) {
  switch (type) {
    case StoredType::unchanged:
      return tensor.dtype;
    case StoredType::f32:
      return "F32";
    case StoredType::bf16:
      return is_router(name) ? tensor.dtype : "BF16";
    case StoredType::f16:
      return is_router(name) ? tensor.dtype : "F16";
  }
  return "";
}

// Reads a tensor in blocks, converts them to another dtype and passes them on.
class TensorConverter {
 public:
  TensorConverter(const TensorSource& source, std::string name, std::string_view dtype)
      : source_(source), name_(std::move(name)), dtype_(dtype) {}

  void operator()(const TensorToStream::Write& write) const {
    const auto size = static_cast<std::size_t>(source_.at(name_).size());
    std::vector<float> values;
    std::vector<std::uint16_t> halves;
    for (std::size_t begin = 0; begin < size; begin += kBlock) {
      values.resize(std::min(kBlock, size - begin));
      source_.read_f32(name_, begin, values);
      check_values(values, begin);
      if (dtype_ == "F32") {
        write(std::as_bytes(std::span(values)));
        continue;
      }
      halves.resize(values.size());
      std::transform(values.begin(), values.end(), halves.begin(),
                     dtype_ == "F16" ? f32_to_f16 : f32_to_bf16);
      write(std::as_bytes(std::span(halves)));
    }
  }

 private:
  void check_values(const std::vector<float>& values, std::size_t begin) const {
    // Larger values would be rounded to infinity.
    const float limit = dtype_ == "F16"    ? 65520.0f
                        : dtype_ == "BF16" ? f32_of_bits(0x7F7F8000u)
                                           : INFINITY;
    const auto bad = std::find_if(values.begin(), values.end(),
                                  [&](float x) { return !(std::fabs(x) < limit); });
    if (bad == values.end()) return;
    fail(ErrorKind::kData, escaped(source_.file_of(name_).native()), ": tensor ", escaped(name_),
         ": ", *bad, " at element ", begin + static_cast<std::size_t>(bad - values.begin()),
         ", expected ",
         std::isfinite(*bad) ? "a value in the range of " + std::string(dtype_) : "finite numbers");
  }

  const TensorSource& source_;
  std::string name_;
  std::string_view dtype_;
};

// The values of null fields are those of absent ones.
json without_nulls(const json& object) {
  json out = json::object();
  for (const auto& [key, value] : object.items())
    if (!value.is_null()) out[key] = value;
  return out;
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

// The dtype of the model in config.json, which transformers 5 loads it in: float32 if any weight
// but a router needs it.
std::string model_dtype(const std::vector<TensorToStream>& tensors) {
  std::string_view common;
  for (const TensorToStream& tensor : tensors) {
    if (is_router(tensor.name)) continue;
    if (!common.empty() && tensor.dtype != common) return "float32";
    common = tensor.dtype;
  }
  return common == "BF16" ? "bfloat16" : common == "F16" ? "float16" : "float32";
}

// ModelConfig's fields, and those of the source that matter to others.
std::string config_text(const ModelToConvert& model, const std::string& dtype) {
  json out = json::parse(switchyard::config_text(model.files.model->config()));
  out["dtype"] = dtype;
  for (const char* key : {"bos_token_id", "classifier_dropout", "n_positions", "output_past",
                          "router_dtype", "task_specific_params", "use_cache"})
    if (model.config.contains(key)) out[key] = model.config[key];
  return out.dump(2) + "\n";
}

std::string generation_text(const ModelToConvert& model) {
  const ModelConfig& config = model.files.model->config();
  json out = without_nulls(model.generation);
  const std::pair<const char*, std::int64_t> ids[] = {
      {"decoder_start_token_id", config.decoder_start_token_id},
      {"eos_token_id", config.eos_token_id},
      {"pad_token_id", config.pad_token_id}};
  for (const auto& [key, id] : ids)
    if (!out.contains(key)) out[key] = id;
  for (const char* key : {"transformers_version", "_from_model_config"}) out.erase(key);
  return out.dump(2) + "\n";
}

// Corrects `config`, warns of each correction, and returns its meaning.
FileConfig corrected(const TensorSource& source, const fs::path& where, json& config) {
  const std::string name = escaped(where.native());
  with_context(name, [&] { resolve_aliases(config); });
  const std::vector<std::string> wrong = with_context(escaped(source.path().native()), [&] {
    HfTensors tensors(source);
    return correct_config(tensors, config);
  });
  for (const std::string& field : wrong) log_warning(name + ": corrected " + field);
  return with_context(name, [&] { return parse_config(config); });
}

}  // namespace

ModelToConvert open_for_conversion(std::unique_ptr<TensorSource> source, json config,
                                   const fs::path& where) {
  const FileConfig file = corrected(*source, where, config);
  return {locate_tensors(std::move(source), file, {}), std::move(config), json::object()};
}

ModelToConvert open_for_conversion(const fs::path& directory) {
  check_model_directory(directory);
  const fs::path config_path = directory / "config.json";
  const fs::path generation_path = directory / "generation_config.json";
  json config = read_json_object(config_path);
  std::unique_ptr<TensorSource> source = open_weights(directory);
  FileConfig file = corrected(*source, config_path, config);
  const GenerationConfig generation = read_generation_config(generation_path, file.model);
  // As transformers does if there is no generation_config.json.
  json settings =
      is_there(generation_path) ? read_json_object(generation_path) : settings_of_config(config);
  return {locate_tensors(std::move(source), file, generation), std::move(config),
          std::move(settings)};
}

bool write_converted(const ModelToConvert& model, const fs::path& directory,
                     const ConversionOptions& options) {
  const TensorSource& source = *model.files.source;
  std::vector<TensorToStream> tensors;
  std::int64_t total_parameters = 0;
  bool unchanged = true;
  for (const auto& [name, param] : written_tensors(*model.files.model)) {
    const std::string& stored = model.files.names[static_cast<std::size_t>(param->index)];
    const StoredTensor& tensor = source.at(stored);
    const std::string_view dtype = written_dtype(tensor, name, options.type);
    const auto size = static_cast<std::size_t>(tensor.size());
    unchanged = unchanged && (dtype == tensor.dtype || dtype == "F32");
    total_parameters += tensor.size();
    const auto stream = [&options, convert = TensorConverter(source, stored, dtype)](
                            const TensorToStream::Write& write) {
      if (options.before_tensor) options.before_tensor();
      convert(write);
    };
    tensors.push_back({name, dtype, tensor.shape, size * (dtype == "F32" ? 4 : 2), stream});
  }
  const std::string dtype = model_dtype(tensors);
  write_safetensors_shards(directory, std::move(tensors), options.max_shard_bytes,
                           total_parameters);
  write_file_durably(directory / "config.json", config_text(model, dtype));
  write_file_durably(directory / "generation_config.json", generation_text(model));
  return unchanged;
}

}  // namespace switchyard
