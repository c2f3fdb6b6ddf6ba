// SPDX-License-Identifier: Apache-2.0
#include "src/io/checkpoint.h"

#include <zlib.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "src/core/counted.h"
#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/file.h"
#include "src/core/json.h"
#include "src/core/log.h"
#include "src/io/hf_config.h"
#include "src/io/hf_tensors.h"
#include "src/io/safetensors.h"

namespace switchyard {

namespace {

using nlohmann::json;

constexpr const char* kChecksums = "checksums.json";
constexpr const char* kConfig = "config.json";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kTrainerState = "trainer_state.json";
constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

// A file's size, and its CRC-32 as eight hexadecimal digits. CRC-32 detects every burst error of up
// to 32 bits.
json checksum_of(const fs::path& path) {
  const InputFile file(path);
  std::vector<std::byte> block(kBlockBytes);
  uLong crc = 0;
  for (std::size_t first = 0; first < file.size_bytes(); first += kBlockBytes) {
    block.resize(std::min(kBlockBytes, file.size_bytes() - first));
    file.read(first, block);
    crc = crc32_z(crc, reinterpret_cast<const unsigned char*>(block.data()), block.size());
  }
  char text[9];
  std::snprintf(text, sizeof(text), "%08lx", crc);
  return {{"bytes", file.size_bytes()}, {"crc32", text}};
}

void write_checksums(const fs::path& directory) {
  json files = json::object();
  for (const fs::directory_entry& entry : fs::directory_iterator(directory))
    files[entry.path().filename().native()] = checksum_of(entry.path());
  write_file_durably(directory / kChecksums, json{{"files", files}}.dump(2) + "\n");
}

// The sizes and checksums of a checkpoint's files by name.
json read_checksums(const fs::path& directory) {
  const fs::path path = directory / kChecksums;
  const json checksums = read_json_object(path);
  const auto files = checksums.find("files");
  check(files != checksums.end() && files->is_object(), ErrorKind::kData, escaped(path.native()),
        ": no object \"files\"");
  for (const auto& [name, expected] : files->items())
    check(name.find('/') == std::string::npos, ErrorKind::kData, escaped(path.native()), ": ",
          escaped(name), ", expected the name of a file in this directory");
  return *files;
}

// Error(kData) if a file's size or checksum is not the expected one.
void verify(const fs::path& path, const json& expected) {
  const json found = checksum_of(path);
  if (found != expected)
    fail(ErrorKind::kData, escaped(path.native()), ": bytes and checksum ", escaped(found.dump()),
         ", expected ", escaped(expected.dump()));
}

void verify_all(const fs::path& directory) {
  const json files = read_checksums(directory);
  for (const auto& [name, expected] : files.items()) verify(directory / name, expected);
}

// A tensor's name and shape in optimizer.safetensors.
struct StatePlace {
  std::string name;
  std::vector<std::int64_t> shape;
};
StatePlace place_of(const StateTensor& tensor, const std::string& model_type) {
  const Param& param = *tensor.param;
  const bool whole = tensor.values.size() == param.size();
  return {tensor.name + "/" + file_name_of(param.name, model_type),
          whole ? stored_shape(param) : std::vector<std::int64_t>{tensor.values.size()}};
}

void fill(Context& ctx, const SafetensorsFile& file, const std::string& name,
          const std::vector<std::int64_t>& shape, View values, std::vector<float>& host) {
  const StoredTensor& tensor = file.at(name);
  if (tensor.shape != shape)
    fail(ErrorKind::kData, escaped(file.path().native()), ": tensor ", escaped(name), ": shape ",
         shape_text(tensor.shape), ", expected ", shape_text(shape), " for this run's model");
  host.resize(static_cast<std::size_t>(values.size()));
  file.read_f32(name, 0, host);
  upload(ctx, host.data(), values.size(), values);
}

}  // namespace

void save_checkpoint(Context& ctx, const fs::path& directory, const CheckpointParts& parts,
                     const json& trainer_state) {
  write_directory_durably(directory, [&](const fs::path& temporary) {
    save_model(ctx, temporary, parts.model, parts.values, parts.generation);
    std::vector<float> host;
    std::vector<TensorToWrite> tensors;
    const std::string model_type = written_model_type(parts.model.config());
    for (const StateTensor& tensor : parts.state) {
      StatePlace place = place_of(tensor, model_type);
      tensors.push_back(
          tensor_to_write(ctx, place.name, std::move(place.shape), tensor.values, host));
    }
    write_safetensors(temporary / kOptimizer, std::move(tensors));
    write_file_durably(temporary / kTrainerState, trainer_state.dump(2) + "\n");
    if (parts.add_files) parts.add_files(temporary);
    write_checksums(temporary);
  });
}

bool checkpoint_is_whole(const fs::path& directory, std::string& problem) {
  try {
    verify_all(directory);
    return true;
  } catch (const Error& e) {
    problem = e.what();
    return false;
  }
}

json read_trainer_state(const fs::path& directory) {
  return read_json_object(directory / kTrainerState);
}

void load_checkpoint(Context& ctx, const fs::path& directory, const Model& model,
                     const ParamBuffer& values, const std::vector<StateTensor>& state) {
  verify_all(directory);
  const SafetensorsFile weights(directory / "model.safetensors");
  const SafetensorsFile optimizer(directory / kOptimizer);
  check(optimizer.tensors().size() == state.size(), ErrorKind::kData,
        escaped(optimizer.path().native()), ": ",
        counted(std::ssize(optimizer.tensors()), "tensor"), ", expected ", state.size(),
        " for this run's model and optimizer");
  const std::string model_type = written_model_type(model.config());
  std::vector<float> host;
  model.each_param([&](const Param& param) {
    fill(ctx, weights, file_name_of(param.name, model_type), stored_shape(param), values[param],
         host);
  });
  for (const StateTensor& tensor : state) {
    const StatePlace place = place_of(tensor, model_type);
    fill(ctx, optimizer, place.name, place.shape, tensor.values, host);
  }
  finish(ctx);
}

void export_model(const fs::path& checkpoint, const fs::path& directory) {
  const json files = read_checksums(checkpoint);
  const auto copy = [&](const std::string& name) {
    verify(checkpoint / name, files.at(name));
    copy_file_durably(checkpoint / name, directory / name);
  };
  for (const auto& [name, expected] : files.items())
    if (name != kOptimizer && name != kTrainerState && name != kConfig) copy(name);
  check(files.contains(kConfig), ErrorKind::kData, escaped(checkpoint.native()), ": no ", kConfig);
  copy(kConfig);
}

fs::path newest_whole_checkpoint(const std::vector<fs::path>& directories) {
  std::string problem;
  for (auto directory = directories.rbegin(); directory != directories.rend(); ++directory) {
    if (checkpoint_is_whole(*directory, problem)) return *directory;
    log_warning("skipping damaged checkpoint: " + problem);
  }
  check(directories.empty(), ErrorKind::kData, counted(std::ssize(directories), "checkpoint"),
        ", all damaged; the oldest: ", problem);
  return {};
}

}  // namespace switchyard
