// SPDX-License-Identifier: Apache-2.0
#include "src/io/weight_shards.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "src/core/error.h"
#include "src/core/json.h"

namespace switchyard {

namespace {

constexpr std::size_t kMaxNameBytes = 255;

// A shard must be a plain file name, so that nothing outside the directory is opened.
bool is_shard_name(const std::string& name, std::string_view extension) {
  return name.size() <= kMaxNameBytes && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos && !name.empty() && name.front() != '.' &&
         fs::path(name).extension() == extension;
}

// Tensor name -> file name of its shard.
std::map<std::string, std::string> read_weight_map(const fs::path& path,
                                                   std::string_view extension) {
  const nlohmann::json index = read_json_object(path);
  const auto found = index.find("weight_map");
  check(found != index.end() && found->is_object(), ErrorKind::kData, escaped(path.native()),
        ": no weight_map object");
  std::map<std::string, std::string> shard_of;
  std::set<std::string> shards;
  const std::string where = escaped(path.native()) + ": weight_map: ";
  for (const auto& [key, value] : found->items()) {
    const std::string shard = value.is_string() ? value.get<std::string>() : std::string();
    if (!is_shard_name(shard, extension))
      fail(ErrorKind::kData, where, "tensor ", escaped(key), ": shard ", value_text(value),
           ", expected the name of a ", extension, " file in the same directory");
    shards.insert(shard);
    check(shards.size() <= kMaxWeightShards, ErrorKind::kData, where, "more than ",
          kMaxWeightShards, " shards");
    std::string name = key;
    std::replace(name.begin(), name.end(), '/', '.');
    if (!shard_of.emplace(name, shard).second)
      fail(ErrorKind::kData, where, "tensor ", escaped(name), " twice");
  }
  return shard_of;
}

}  // namespace

WeightShards::WeightShards(const fs::path& index, std::string_view extension, const Open& open)
    : path_(index) {
  const std::map<std::string, std::string> file_name_of = read_weight_map(index, extension);
  std::set<std::string> file_names;
  for (const auto& [name, file_name] : file_name_of) file_names.insert(file_name);
  for (const std::string& file_name : file_names) {
    const TensorSource& shard = *shards_.emplace_back(open(index.parent_path() / file_name));
    const std::string where = escaped(shard.path().native()) + ": tensor ";
    for (const auto& [name, tensor] : shard.tensors()) {
      const auto mapped = file_name_of.find(name);
      if (mapped == file_name_of.end())
        fail(ErrorKind::kData, where, escaped(name), " is not in the index");
      if (mapped->second != file_name)
        fail(ErrorKind::kData, where, escaped(name), " is in this shard, but the index says ",
             mapped->second);
      tensors_.emplace(name, tensor);
      shard_of_.emplace(name, &shard);
    }
  }
  for (const auto& [name, file_name] : file_name_of)
    if (tensors_.find(name) == tensors_.end())
      fail(ErrorKind::kData, escaped((index.parent_path() / file_name).native()), ": no tensor ",
           escaped(name), ", but the index says that it is in this shard");
}

std::vector<fs::path> WeightShards::files() const {
  std::vector<fs::path> paths = {path_};
  for (const auto& shard : shards_) paths.push_back(shard->path());
  return paths;
}

}  // namespace switchyard
