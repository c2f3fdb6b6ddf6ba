// SPDX-License-Identifier: Apache-2.0
// Reads tensors that are split over several safetensors files, with an index that maps each tensor
// to its file: {"weight_map": {TENSOR: FILE...}}.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/io/safetensors.h"

namespace switchyard {

class SafetensorsShards : public TensorSource {
 public:
  // Opens every shard in the index; shards must be in the index's own directory. Tensor names in
  // the index may have '/' in place of '.', as some converters write them. Error as
  // SafetensorsFile; also Error(kData) if the index names other files or disagrees with the shards.
  explicit SafetensorsShards(const fs::path& index);

  const fs::path& path() const override { return path_; }
  std::vector<fs::path> files() const override;
  const TensorMap& tensors() const override { return tensors_; }
  const fs::path& file_of(std::string_view name) const override { return shard_of(name).path(); }
  void read_bytes(std::string_view name, std::size_t begin,
                  std::span<std::byte> to) const override {
    shard_of(name).read_bytes(name, begin, to);
  }

 private:
  const SafetensorsFile& shard_of(std::string_view name) const {
    return *shard_of_.find(name)->second;
  }

  fs::path path_;
  std::deque<SafetensorsFile> shards_;
  TensorMap tensors_;  // of all shards
  std::map<std::string, const SafetensorsFile*, std::less<>> shard_of_;
};

}  // namespace switchyard
