// SPDX-License-Identifier: Apache-2.0
#include "src/io/average.h"

#include <deque>
#include <span>
#include <string>

#include "src/core/counted.h"
#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/io/checkpoint.h"
#include "src/io/safetensors.h"
#include "src/io/safetensors_writer.h"

namespace switchyard {

namespace {

constexpr const char* kWeights = "model.safetensors";

// Averages one tensor at a time.
class Mean {
 public:
  explicit Mean(const std::deque<SafetensorsFile>& files) : files_(files) {}

  std::span<const float> of(const std::string& name) {
    const auto size = static_cast<std::size_t>(files_.back().at(name).size());
    values_.resize(size);
    sums_.assign(size, 0);
    for (const SafetensorsFile& file : files_) {
      file.read_f32(name, 0, values_);
      for (std::size_t i = 0; i < size; ++i) sums_[i] += static_cast<double>(values_[i]);
    }
    const auto count = static_cast<double>(files_.size());
    for (std::size_t i = 0; i < size; ++i) values_[i] = static_cast<float>(sums_[i] / count);
    return values_;
  }

 private:
  const std::deque<SafetensorsFile>& files_;
  std::vector<float> values_;
  std::vector<double> sums_;
};

void check_same_tensors(const SafetensorsFile& file, const SafetensorsFile& expected) {
  const std::string name = escaped(file.path().native());
  check(file.tensors().size() == expected.tensors().size(), ErrorKind::kData, name, ": ",
        counted(std::ssize(file.tensors()), "tensor"), ", expected ", expected.tensors().size(),
        " as in ", escaped(expected.path().native()));
  for (const auto& [tensor, stored] : expected.tensors()) {
    const StoredTensor& found = file.at(tensor);
    check(found.shape == stored.shape, ErrorKind::kData, name, ": tensor ", escaped(tensor),
          ": shape ", shape_text(found.shape), ", expected ", shape_text(stored.shape), " as in ",
          escaped(expected.path().native()));
  }
}

}  // namespace

void average_checkpoints(const std::vector<fs::path>& checkpoints, const fs::path& directory) {
  check(!checkpoints.empty(), ErrorKind::kData, "no checkpoint to average, expected at least one");
  std::deque<SafetensorsFile> files;
  for (const fs::path& checkpoint : checkpoints) {
    std::string problem;
    check(checkpoint_is_whole(checkpoint, problem), ErrorKind::kData, problem);
    files.emplace_back(checkpoint / kWeights);
  }
  for (const SafetensorsFile& file : files) check_same_tensors(file, files.back());
  write_directory_durably(directory, [&](const fs::path& temporary) {
    export_model(checkpoints.back(), temporary);
    Mean mean(files);
    std::vector<TensorToWrite> tensors;
    for (const auto& entry : files.back().tensors())
      tensors.push_back(
          {entry.first, entry.second.shape, [&mean, name = entry.first] { return mean.of(name); }});
    write_safetensors(temporary / kWeights, std::move(tensors));
  });
}

}  // namespace switchyard
