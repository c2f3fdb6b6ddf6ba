// SPDX-License-Identifier: Apache-2.0
#include "src/io/safetensors_writer.h"

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "src/core/counted.h"
#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/io/tensor_source.h"
#include "src/io/weight_shards.h"

namespace switchyard {

namespace {

constexpr std::size_t kHeaderAlignment = 8;

std::size_t element_bytes(const TensorToStream& tensor) { return tensor.dtype == "F32" ? 4 : 2; }

// Pads the header with spaces so that the data starts aligned.
std::string header_of(const std::vector<TensorToStream>& tensors) {
  std::string header = R"({"__metadata__":{"format":"pt"})";
  std::size_t offset = 0;
  for (const TensorToStream& tensor : tensors) {
    const std::size_t end = offset + tensor.bytes;
    header += ',';
    header += nlohmann::json(tensor.name).dump();
    header += R"(:{"dtype":")" + std::string(tensor.dtype) + R"(","shape":)" +
              shape_text(tensor.shape) + R"(,"data_offsets":)" + "[" + std::to_string(offset) +
              "," + std::to_string(end) + "]}";
    offset = end;
  }
  header += "}";
  const std::size_t rest = header.size() % kHeaderAlignment;
  return header + std::string(rest == 0 ? 0 : kHeaderAlignment - rest, ' ');
}

// Writes one file. Larger elements come first, so that every tensor is aligned.
void write_file(const fs::path& path, std::vector<TensorToStream> tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorToStream& a, const TensorToStream& b) {
    return std::tuple(element_bytes(b), std::string_view(a.name)) <
           std::tuple(element_bytes(a), std::string_view(b.name));
  });
  const std::string header = header_of(tensors);
  const std::uint64_t length = header.size();
  DurableFile file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(header);
  for (const TensorToStream& tensor : tensors) {
    [[maybe_unused]] std::size_t written = 0;
    tensor.stream([&](std::span<const std::byte> bytes) {
      written += bytes.size();
      file.write(bytes);
    });
    assert(written == tensor.bytes);
  }
  file.commit();
}

using Shard = std::vector<TensorToStream>;

// As split_state_dict_into_shards_factory of huggingface_hub 1.x does it.
std::vector<Shard> split(std::vector<TensorToStream> tensors, std::size_t max_shard_bytes) {
  std::vector<Shard> shards;
  Shard current;
  std::size_t current_bytes = 0;
  for (TensorToStream& tensor : tensors) {
    if (tensor.bytes > max_shard_bytes) {
      shards.emplace_back().push_back(std::move(tensor));
      continue;
    }
    if (current_bytes + tensor.bytes > max_shard_bytes) {
      shards.push_back(std::exchange(current, {}));
      current_bytes = 0;
    }
    current_bytes += tensor.bytes;
    current.push_back(std::move(tensor));
  }
  if (!current.empty()) shards.push_back(std::move(current));
  return shards;
}

std::string shard_name(std::size_t i, std::size_t count) {
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", i + 1, count);
  return name;
}

}  // namespace

void write_safetensors(const fs::path& path, std::vector<TensorToWrite> tensors) {
  std::vector<TensorToStream> streams;
  for (TensorToWrite& tensor : tensors) {
    std::size_t bytes = sizeof(float);
    for (const std::int64_t extent : tensor.shape) bytes *= static_cast<std::size_t>(extent);
    const auto stream = [values = std::move(tensor.values)](const TensorToStream::Write& write) {
      write(std::as_bytes(values()));
    };
    streams.push_back({std::move(tensor.name), "F32", std::move(tensor.shape), bytes, stream});
  }
  write_file(path, std::move(streams));
}

void write_safetensors_shards(const fs::path& directory, std::vector<TensorToStream> tensors,
                              std::size_t max_shard_bytes, std::int64_t total_parameters) {
  std::size_t total_bytes = 0;
  for (const TensorToStream& tensor : tensors) total_bytes += tensor.bytes;
  std::vector<Shard> shards = split(std::move(tensors), max_shard_bytes);
  check(shards.size() <= kMaxWeightShards, ErrorKind::kUsage, with_commas(std::ssize(shards)),
        " shards of at most ", with_commas(static_cast<std::int64_t>(max_shard_bytes)),
        " bytes, expected at most ", with_commas(kMaxWeightShards));
  if (shards.size() == 1)
    return write_file(directory / "model.safetensors", std::move(shards.front()));
  nlohmann::json weight_map = nlohmann::json::object();
  for (std::size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shard_name(i, shards.size());
    for (const TensorToStream& tensor : shards[i]) weight_map[tensor.name] = name;
    write_file(directory / name, std::move(shards[i]));
  }
  const nlohmann::json index = {
      {"metadata", {{"total_parameters", total_parameters}, {"total_size", total_bytes}}},
      {"weight_map", std::move(weight_map)}};
  write_file_durably(directory / "model.safetensors.index.json", index.dump(2) + "\n");
}

}  // namespace switchyard
