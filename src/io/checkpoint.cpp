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
#include "src/core/log.h"
#include "src/io/hf_config.h"
#include "src/io/hf_tensors.h"
#include "src/io/json.h"
#include "src/io/safetensors.h"

namespace switchyard {

namespace {

using nlohmann::json;

constexpr const char* kChecksums = "checksums.json";
constexpr const char* kConfig = "config.json";
constexpr const char* kOptimizer = "optimizer.safetensors";
constexpr const char* kTrainerState = "trainer_state.json";
constexpr std::size_t kBlockBytes = std::size_t{1} << 20;

// A file's size and its CRC-32 as eight hexadecimal digits, which finds every change of up to 32
// bits in a row.
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

void write_checksums(const fs::path& folder) {
  json files = json::object();
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    files[entry.path().filename().native()] = checksum_of(entry.path());
  write_file_durably(folder / kChecksums, json{{"files", files}}.dump(2) + "\n");
}

// The sizes and checksums of a checkpoint's files, by name.
json read_checksums(const fs::path& folder) {
  const fs::path path = folder / kChecksums;
  const json checksums = read_json_object(path);
  const auto files = checksums.find("files");
  check(files != checksums.end() && files->is_object(), ErrorKind::kData, escaped(path.native()),
        ": no list of files");
  for (const auto& [name, expected] : files->items())
    check(name.find('/') == std::string::npos, ErrorKind::kData, escaped(path.native()), ": ",
          escaped(name), ", expected the name of a file in this folder");
  return *files;
}

// Throws Error where a file is not as it was written.
void verify(const fs::path& path, const json& expected) {
  const json found = checksum_of(path);
  if (found != expected)
    fail(ErrorKind::kData, escaped(path.native()), ": bytes and checksum ", escaped(found.dump()),
         ", expected ", escaped(expected.dump()));
}

void verify_all(const fs::path& folder) {
  const json files = read_checksums(folder);
  for (const auto& [name, expected] : files.items()) verify(folder / name, expected);
}

// A tensor's place in the optimizer's file.
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
         shape_text(tensor.shape), ", expected ", shape_text(shape), " by this run's model");
  host.resize(static_cast<std::size_t>(values.size()));
  file.read_f32(name, host);
  upload(ctx, host.data(), values.size(), values);
}

}  // namespace

void save_checkpoint(Context& ctx, const fs::path& folder, const CheckpointParts& parts,
                     const json& trainer_state) {
  write_directory_durably(folder, [&](const fs::path& temporary) {
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

bool checkpoint_is_whole(const fs::path& folder, std::string& problem) {
  try {
    verify_all(folder);
    return true;
  } catch (const Error& e) {
    problem = e.what();
    return false;
  }
}

json read_trainer_state(const fs::path& folder) { return read_json_object(folder / kTrainerState); }

void load_checkpoint(Context& ctx, const fs::path& folder, const Model& model,
                     const ParamBuffer& values, const std::vector<StateTensor>& state) {
  verify_all(folder);
  const SafetensorsFile weights(folder / "model.safetensors");
  const SafetensorsFile optimizer(folder / kOptimizer);
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
}

void export_model(const fs::path& checkpoint, const fs::path& folder) {
  const json files = read_checksums(checkpoint);
  const auto copy = [&](const std::string& name) {
    verify(checkpoint / name, files.at(name));
    copy_file_durably(checkpoint / name, folder / name);
  };
  for (const auto& [name, expected] : files.items())
    if (name != kOptimizer && name != kTrainerState && name != kConfig) copy(name);
  check(files.contains(kConfig), ErrorKind::kData, escaped(checkpoint.native()), ": no ", kConfig);
  copy(kConfig);
}

fs::path newest_whole_checkpoint(const std::vector<fs::path>& folders) {
  std::string problem;
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
    if (checkpoint_is_whole(*folder, problem)) return *folder;
    log_warning("damaged checkpoint passed over: " + problem);
  }
  check(folders.empty(), ErrorKind::kData, counted(std::ssize(folders), "checkpoint"),
        ", all damaged; the oldest: ", problem);
  return {};
}

}  // namespace switchyard
