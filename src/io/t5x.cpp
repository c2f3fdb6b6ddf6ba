// SPDX-License-Identifier: Apache-2.0
#include "src/io/t5x.h"

#include <algorithm>
#include <cassert>
#include <list>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/io/chunked_array.h"
#include "src/io/t5x_names.h"
#include "src/io/t5x_parameters.h"

namespace switchyard {

namespace {

constexpr const char* kFile = "checkpoint";
// Experts in one chunk are assembled together, up to this size, so that the chunk is decompressed
// once, not once for each.
constexpr std::size_t kGroupBytes = std::size_t{64} << 20;
// A block's matrices are read in turn: those of an expert, then those of the next.
constexpr std::size_t kKeptBytes = std::size_t{192} << 20;

// switch-c-2048 has 123,000. A small file must not claim so many that they fill the memory.
constexpr std::size_t kMaxTensors = std::size_t{1} << 19;

// Where a tensor is.
struct Slab {
  std::size_t array = 0;
  std::int64_t index = 0;
  bool transposed = false;
};

// Slabs of an array, next to each other in memory.
struct Group {
  std::size_t array = 0;
  std::int64_t first = 0, count = 0;
  std::vector<std::byte> bytes;
};

class T5xCheckpoint : public TensorSource {
 public:
  explicit T5xCheckpoint(const fs::path& directory);

  const fs::path& path() const override { return file_.path(); }
  std::vector<fs::path> files() const override;
  const TensorMap& tensors() const override { return tensors_; }
  const fs::path& file_of(std::string_view name) const override {
    const T5xParameter& parameter = parameters_[slabs_.find(name)->second.array];
    return parameter.place.empty() ? path() : parameter.place;
  }
  void read_bytes(std::string_view name, std::size_t begin, std::span<std::byte> to) const override;

 private:
  void add(std::size_t array, const T5xName& name);
  void add(std::string name, const Slab& slab, std::span<const std::int64_t> shape);
  const Group& group_of(const Slab& slab) const;

  InputFile file_;
  std::vector<T5xParameter> parameters_;
  TensorMap tensors_;
  std::map<std::string, Slab, std::less<>> slabs_;
  mutable std::mutex mutex_;
  mutable std::list<Group> groups_;  // used last first
};

T5xCheckpoint::T5xCheckpoint(const fs::path& directory)
    : file_(directory / kFile), parameters_(t5x_parameters(file_, directory)) {
  const bool switch_transformer =
      std::any_of(parameters_.begin(), parameters_.end(),
                  [](const T5xParameter& parameter) { return is_of_experts(parameter.path); });
  with_context(escaped(path().native()), [&] {
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const T5xParameter& parameter = parameters_[i];
      with_context("parameter " + escaped(parameter.path), [&] {
        const auto name = hf_name_of(parameter.path, switch_transformer);
        check(name.has_value(), ErrorKind::kData, "unknown, expected those of T5 or of a Switch ",
              "Transformer whose layers are not scanned");
        check(parameter.array.shape.size() == name->rank, ErrorKind::kData, "shape ",
              shape_text(parameter.array.shape), ", expected ",
              counted(static_cast<std::int64_t>(name->rank), "dimension"));
        add(i, *name);
      });
    }
  });
}

void T5xCheckpoint::add(std::size_t array, const T5xName& name) {
  std::vector<std::int64_t> shape = parameters_[array].array.shape;
  if (name.transposed) std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
  if (name.rank < 3) return add(name.name, {array, 0, name.transposed}, shape);
  for (std::int64_t expert = 0; expert < shape[0]; ++expert)
    add(name.name + std::to_string(expert) + name.suffix, {array, expert, name.transposed},
        std::span(shape).subspan(1));
}

void T5xCheckpoint::add(std::string name, const Slab& slab, std::span<const std::int64_t> shape) {
  check(tensors_.size() < kMaxTensors, ErrorKind::kData, "more than ", kMaxTensors, " tensors");
  const ChunkedArray& array = parameters_[slab.array].array;
  StoredTensor tensor;
  tensor.dtype = array.dtype;
  tensor.shape.assign(shape.begin(), shape.end());
  tensor.bytes = array.slab_bytes();
  slabs_.emplace(name, slab);
  tensors_.emplace(std::move(name), std::move(tensor));
}

std::vector<fs::path> T5xCheckpoint::files() const {
  std::vector<fs::path> files = {path()};
  for (const T5xParameter& parameter : parameters_)
    files.insert(files.end(), parameter.array.files.begin(), parameter.array.files.end());
  return files;
}

const Group& T5xCheckpoint::group_of(const Slab& slab) const {
  const auto kept = std::find_if(groups_.begin(), groups_.end(), [&](const Group& group) {
    return group.array == slab.array && group.first <= slab.index &&
           slab.index < group.first + group.count;
  });
  if (kept != groups_.end()) {
    groups_.splice(groups_.begin(), groups_, kept);
    return groups_.front();
  }
  const ChunkedArray& array = parameters_[slab.array].array;
  const std::size_t slab_bytes = array.slab_bytes();
  const std::int64_t chunk = array.chunk_extents()[0];
  const std::int64_t most =
      std::clamp<std::int64_t>(static_cast<std::int64_t>(kGroupBytes / slab_bytes), 1, chunk);
  Group group{slab.array, slab.index - slab.index % chunk % most, 0, {}};
  const std::int64_t end = std::min(array.extents()[0], (group.first / chunk + 1) * chunk);
  group.count = std::min(most, end - group.first);
  const std::size_t bytes = static_cast<std::size_t>(group.count) * slab_bytes;

  std::size_t left = bytes;
  auto keep = groups_.begin();
  while (keep != groups_.end() && left + keep->bytes.size() <= kKeptBytes)
    left += (keep++)->bytes.size();
  groups_.erase(keep, groups_.end());
  group.bytes.resize(bytes);
  read_slabs(array, group.first, group.count, slab.transposed, group.bytes);
  groups_.push_front(std::move(group));
  return groups_.front();
}

void T5xCheckpoint::read_bytes(std::string_view name, std::size_t begin,
                               std::span<std::byte> to) const {
  const StoredTensor& tensor = at(name);
  assert(begin <= tensor.bytes && to.size() <= tensor.bytes - begin);
  const Slab& slab = slabs_.find(name)->second;
  const std::lock_guard lock(mutex_);
  const Group& group = group_of(slab);
  const std::size_t at = static_cast<std::size_t>(slab.index - group.first) * tensor.bytes + begin;
  std::copy_n(group.bytes.begin() + static_cast<std::ptrdiff_t>(at), to.size(), to.begin());
}

}  // namespace

bool is_t5x(const fs::path& directory) {
  std::error_code error;
  return fs::exists(fs::symlink_status(directory / kFile, error));
}

std::unique_ptr<TensorSource> open_t5x(const fs::path& directory) {
  check_t5x_directory(directory);
  return std::make_unique<T5xCheckpoint>(directory);
}

}  // namespace switchyard
