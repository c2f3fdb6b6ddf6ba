// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "src/core/error.h"
#include "src/core/log.h"
#include "src/io/foreign_model.h"
#include "src/io/json.h"
#include "src/io/safetensors.h"

namespace switchyard {

namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::size_t kMaxShards = 4096;
constexpr std::size_t kMaxNameBytes = 255;

// Also true for a link that leads nowhere: opening it then says so.
bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

// A shard is a file of the folder itself, whatever the index says.
bool is_shard_name(const std::string& name) {
  return name.size() <= kMaxNameBytes && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos && !name.empty() && name.front() != '.' &&
         fs::path(name).extension() == ".safetensors";
}

// Tensor name -> shard. Some converters wrote '/' for the '.' of names.
std::map<std::string, std::string> read_weight_map(const fs::path& path) {
  const nlohmann::json index = read_json_object(path);
  const auto found = index.find("weight_map");
  check(found != index.end() && found->is_object(), ErrorKind::kData, escaped(path.native()),
        ": no weight_map object");
  std::map<std::string, std::string> shard_of;
  std::set<std::string> shards;
  const std::string where = escaped(path.native()) + ": weight_map: ";
  for (const auto& [key, value] : found->items()) {
    const std::string shard = value.is_string() ? value.get<std::string>() : std::string();
    if (!is_shard_name(shard))
      fail(ErrorKind::kData, where, "tensor ", escaped(key), ": shard ",
           escaped(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)),
           ", expected the name of a .safetensors file in the same folder");
    shards.insert(shard);
    check(shards.size() <= kMaxShards, ErrorKind::kData, where, "more than ", kMaxShards,
          " shards");
    std::string name = key;
    std::replace(name.begin(), name.end(), '/', '.');
    if (!shard_of.emplace(name, shard).second)
      fail(ErrorKind::kData, where, "tensor ", escaped(name), " twice");
  }
  return shard_of;
}

}  // namespace

WeightFiles::WeightFiles(const fs::path& folder) {
  if (is_there(folder / kSingle)) {
    path_ = folder / kSingle;
    if (is_there(folder / kIndex))
      log_warning(escaped(folder.native()) + ": both " + kSingle + " and " + kIndex +
                  " are there; the index is not read");
    files_.emplace_back(path_);
    tensors_ = files_.back().tensors();
  } else if (is_there(folder / kIndex)) {
    path_ = folder / kIndex;
    open_shards();
  } else {
    fail_without_model(folder, "model.safetensors");
  }
}

void WeightFiles::open_shards() {
  const std::map<std::string, std::string> shard_of = read_weight_map(path_);
  std::set<std::string> shards;
  for (const auto& [name, shard] : shard_of) shards.insert(shard);
  for (const std::string& shard : shards) {
    const SafetensorsFile& file = files_.emplace_back(path_.parent_path() / shard);
    const std::string where = escaped(file.path().native()) + ": tensor ";
    for (const auto& [name, tensor] : file.tensors()) {
      const auto mapped = shard_of.find(name);
      if (mapped == shard_of.end())
        fail(ErrorKind::kData, where, escaped(name), " is not in the index");
      if (mapped->second != shard)
        fail(ErrorKind::kData, where, escaped(name), " is in this shard, but the index says ",
             mapped->second);
      tensors_.emplace(name, tensor);
    }
  }
  for (const auto& [name, shard] : shard_of)
    if (tensors_.find(name) == tensors_.end())
      fail(ErrorKind::kData, escaped((path_.parent_path() / shard).native()), ": no tensor ",
           escaped(name), ", which the index puts there");
}

}  // namespace switchyard
