// SPDX-License-Identifier: Apache-2.0
// Reads tensors that are split over several files of one format, with an index that maps each
// tensor to its file: {"weight_map": {TENSOR: FILE...}}.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/io/tensor_source.h"

namespace switchyard {

constexpr std::size_t kMaxWeightShards = 4096;

class WeightShards : public TensorSource {
 public:
  using Open = std::function<std::unique_ptr<TensorSource>(const fs::path&)>;

  // Opens every shard in the index with `open`; shards must be in the index's own directory and
  // have the extension `extension`, such as ".safetensors". Tensor names in the index may have '/'
  // in place of '.', as some converters write them. Throws what `open` throws; also Error(kData) if
  // the index names other files or disagrees with the shards.
  WeightShards(const fs::path& index, std::string_view extension, const Open& open);

  const fs::path& path() const override { return path_; }
  std::vector<fs::path> files() const override;
  const TensorMap& tensors() const override { return tensors_; }
  const fs::path& file_of(std::string_view name) const override { return shard_of(name).path(); }
  void read_bytes(std::string_view name, std::size_t begin,
                  std::span<std::byte> to) const override {
    shard_of(name).read_bytes(name, begin, to);
  }

 private:
  const TensorSource& shard_of(std::string_view name) const {
    return *shard_of_.find(name)->second;
  }

  fs::path path_;
  std::vector<std::unique_ptr<TensorSource>> shards_;
  TensorMap tensors_;  // of all shards
  std::map<std::string, const TensorSource*, std::less<>> shard_of_;
};

}  // namespace switchyard
