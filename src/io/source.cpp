// SPDX-License-Identifier: Apache-2.0
#include "src/io/source.h"

#include <algorithm>

#include "src/core/error.h"
#include "src/core/hash.h"

namespace switchyard {

namespace {

constexpr std::size_t kBlock = std::size_t{1} << 16;
constexpr std::size_t kSamples = 16;  // blocks, from the first to the last

struct Blocks {
  const InputFile& file;
  std::vector<std::byte> buffer = std::vector<std::byte>(kBlock);

  void add_to(Xxh64& hash, std::size_t begin) {
    const std::span<std::byte> block =
        std::span(buffer).first(std::min(kBlock, file.size_bytes() - begin));
    file.read(begin, block);
    hash.add(block);
  }
};

std::uint64_t sample_of(const InputFile& file) {
  Blocks blocks{file};
  Xxh64 hash;
  const std::size_t last = file.size_bytes() - std::min(kBlock, file.size_bytes());
  for (std::size_t i = 0; i < kSamples; ++i) blocks.add_to(hash, last / (kSamples - 1) * i);
  blocks.add_to(hash, last);
  return hash.value();
}

std::uint64_t checksum_of(const InputFile& file) {
  Blocks blocks{file};
  Xxh64 hash;
  for (std::size_t begin = 0; begin < file.size_bytes(); begin += kBlock)
    blocks.add_to(hash, begin);
  return hash.value();
}

std::string difference_of(const SourceFile& recorded, const fs::path& path) {
  const InputFile file(path);
  if (file.size_bytes() != recorded.bytes)
    return recorded.name + " has " + std::to_string(file.size_bytes()) + " bytes, expected " +
           std::to_string(recorded.bytes);
  const bool same =
      sample_of(file) == recorded.sample &&
      (file.modified_ns() == recorded.modified_ns || checksum_of(file) == recorded.checksum);
  return same ? "" : recorded.name + " has other content";
}

}  // namespace

Source::Source(const TensorSource& weights) {
  for (const fs::path& path : weights.files()) {
    const InputFile file(path);
    files.push_back({path.filename().native(), file.size_bytes(), file.modified_ns(),
                     sample_of(file), checksum_of(file)});
    check(InputFile(path).modified_ns() == file.modified_ns(), ErrorKind::kData,
          escaped(path.native()), ": changed while it was read");
  }
}

std::string Source::difference(const TensorSource& weights) const {
  const std::vector<fs::path> paths = weights.files();
  if (paths.size() != files.size())
    return "there are " + std::to_string(paths.size()) + " files of weights, expected " +
           std::to_string(files.size());
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string name = paths[i].filename().native();
    if (name != files[i].name)
      return "the weights are in " + escaped(name) + ", expected " + escaped(files[i].name);
    const std::string difference = difference_of(files[i], paths[i]);
    if (!difference.empty()) return difference;
  }
  return "";
}

}  // namespace switchyard
