// SPDX-License-Identifier: Apache-2.0
#include "src/io/t5x_parameters.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <system_error>

#include "src/core/error.h"
#include "src/core/file_content.h"
#include "src/io/flax_file.h"
#include "src/io/tensor_source.h"
#include "src/io/zarr.h"

namespace switchyard {

namespace {

constexpr std::string_view kTensorFlow = "model_checkpoint_path";
constexpr std::string_view kPlaceholder = "PLACEHOLDER://";  // Orbax's, for every parameter
constexpr std::string_view kDriver = "/kvstore/driver";

// Rejects files that are not msgpack and says what they are.
void check_content(const InputFile& file) {
  std::string start(std::min<std::size_t>(64, file.size_bytes()), '\0');
  file.read(0, std::as_writable_bytes(std::span(start)));
  constexpr const char* kExpected = ", expected a T5X checkpoint";
  const std::string name = escaped(file.path().native());
  check(!start.starts_with(kTensorFlow), ErrorKind::kData, name,
        ": TensorFlow's list of checkpoints", kExpected);
  const std::string_view content = recognised_content(start);
  check(content.empty(), ErrorKind::kData, name, ": ", content, kExpected);
}

template <class T>
const T* find(const FlaxTree& tree, const std::string& path) {
  const auto found = tree.find(path);
  return found == tree.end() ? nullptr : std::get_if<T>(&found->second);
}

// The path of what holds the parameters: version 2 and 3 have them in "optimizer".
std::string target_of(const FlaxTree& tree) {
  if (tree.find("version") == tree.end()) return "target/";
  const auto* version = find<std::int64_t>(tree, "version");
  const bool ok = version && (*version == 2 || *version == 3);
  check(ok, ErrorKind::kData, "version: ", version ? std::to_string(*version) : "not an integer",
        ", expected 2 or 3");
  return "optimizer/target/";
}

// An array whose elements are in the file itself.
ChunkedArray array_in_file(const InputFile& file, const FlaxArray& stored) {
  ChunkedArray array;
  const ElementType type = element_type(stored.dtype);
  array.dtype = type.dtype;
  array.element_bytes = type.bytes;
  const bool sized =
      !stored.shape.empty() && stored.shape.size() <= 3 &&
      std::all_of(stored.shape.begin(), stored.shape.end(), [](std::int64_t n) { return n > 0; });
  check(sized, ErrorKind::kData, "shape ", shape_text(stored.shape),
        ", expected 1 to 3 numbers that are not 0");
  std::size_t bytes = type.bytes;
  for (const std::int64_t extent : stored.shape)
    bytes = checked_mul(bytes, static_cast<std::size_t>(extent), "shape");
  check(bytes == stored.bytes, ErrorKind::kData, stored.bytes, " bytes, expected ", bytes,
        " from shape ", shape_text(stored.shape));
  array.shape = array.chunks = stored.shape;
  array.open = [&file, begin = stored.begin](const ChunkedArray::ChunkIndex&) {
    return file_stream(file, begin);
  };
  return array;
}

// A description of a zarr array, as TensorStore writes it.
class Spec {
 public:
  Spec(const FlaxTree& tree, std::string root) : tree_(tree), root_(std::move(root)) {}

  // The name of the array's directory. Paths are relative to the checkpoint; T5X reads them there
  // whether they were written to a file system or to the cloud.
  std::string directory_name() const {
    expect_text("/driver", {"zarr"});
    expect_text(std::string(kDriver), {"file", "gfile", "gcs"});
    const std::string* path = find<std::string>(tree_, root_ + "/kvstore/path");
    // TensorStore before 0.1.14.
    if (!path) path = find<std::string>(tree_, root_ + "/path");
    check(path != nullptr, ErrorKind::kData, "no kvstore/path");
    std::string name = *path;
    if (name.ends_with('/')) name.pop_back();
    const bool plain = !name.empty() && name.front() != '.' && name.size() <= 255 &&
                       name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
    check(plain, ErrorKind::kData, "kvstore/path: ", escaped(*path),
          ", expected the name of a directory in the checkpoint");
    return name;
  }

  // The description repeats what the array says about itself, or a part of it.
  void check_agrees(const ChunkedArray& array) const {
    if (const auto* dtype = find<std::string>(tree_, root_ + "/dtype"))
      check(element_type(*dtype).dtype == array.dtype, ErrorKind::kData, "dtype ", escaped(*dtype),
            " in the file checkpoint, but ", array.dtype, " in .zarray");
    check_extents("/metadata/shape/", array.shape);
    check_extents("/metadata/chunks/", array.chunks);
  }

 private:
  void expect_text(const std::string& key, std::initializer_list<std::string_view> expected) const {
    const auto* found = find<std::string>(tree_, root_ + key);
    std::string all;
    for (const std::string_view one : expected) {
      if (found && *found == one) return;
      all += (all.empty() ? "" : ", ") + std::string(one);
    }
    fail(ErrorKind::kData, key.substr(1), ": ", found ? escaped(*found) : "missing", ", expected ",
         all);
  }

  void check_extents(const std::string& key, const std::vector<std::int64_t>& in_array) const {
    std::vector<std::int64_t> extents;
    while (const auto* extent =
               find<std::int64_t>(tree_, root_ + key + std::to_string(extents.size())))
      extents.push_back(*extent);
    check(extents.empty() || extents == in_array, ErrorKind::kData, key.substr(1, key.size() - 2),
          " ", shape_text(extents), " in the file checkpoint, but ", shape_text(in_array),
          " in .zarray");
  }

  const FlaxTree& tree_;
  const std::string root_;
};

}  // namespace

void check_t5x_directory(const fs::path& directory) {
  const std::string name = escaped(directory.native());
  std::error_code error;
  check(fs::is_directory(directory, error), ErrorKind::kRuntime, name, ": no such directory");
  // T5X renames a directory when all of it has been written.
  const std::string last =
      (directory.has_filename() ? directory : directory.parent_path()).filename().native();
  check(last.find(".tmp-") == std::string::npos, ErrorKind::kData, name,
        ": an incomplete checkpoint: T5X was interrupted while it was written");
  if (fs::exists(directory / "checkpoint", error)) return;
  check(!fs::exists(directory / "state" / "checkpoint", error), ErrorKind::kData, name,
        ": a checkpoint in Orbax's format, expected T5X's own");
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    const std::string entry = it->path().filename().native();
    check(!entry.starts_with("checkpoint_"), ErrorKind::kData, name,
          ": a directory of checkpoints, expected one of them, such as ", escaped(entry));
  }
  fail(ErrorKind::kData, name, ": no file checkpoint, expected a T5X checkpoint");
}

std::vector<T5xParameter> t5x_parameters(const InputFile& file, const fs::path& directory) {
  check_content(file);
  const FlaxTree tree = read_flax_file(file);
  const std::string name = escaped(file.path().native());
  const std::string target = with_context(name, [&] { return target_of(tree); });
  std::vector<T5xParameter> parameters;
  std::set<fs::path> places;
  for (auto leaf = tree.lower_bound(target); leaf != tree.end() && leaf->first.starts_with(target);
       ++leaf) {
    const std::string& path = leaf->first;
    std::string parameter = path.substr(target.size());
    if (const auto* stored = std::get_if<FlaxArray>(&leaf->second)) {
      ChunkedArray array = with_context(name + ": parameter " + escaped(parameter),
                                        [&] { return array_in_file(file, *stored); });
      parameters.push_back({std::move(parameter), {}, std::move(array)});
      continue;
    }
    const auto* text = std::get_if<std::string>(&leaf->second);
    check(!text || !text->starts_with(kPlaceholder), ErrorKind::kData, name,
          ": a checkpoint in Orbax's format, expected T5X's own");
    // The other leaves of a description are looked up by their paths.
    if (!path.ends_with(kDriver)) continue;
    const std::string root = path.substr(0, path.size() - kDriver.size());
    parameter.resize(parameter.size() - kDriver.size());
    const Spec spec(tree, root);
    const fs::path place = with_context(name + ": parameter " + escaped(parameter),
                                        [&] { return directory / spec.directory_name(); });
    check(places.insert(place).second, ErrorKind::kData, escaped(place.native()),
          ": the array of two parameters");
    ChunkedArray array = open_zarr(place);
    with_context(escaped(place.native()), [&] { spec.check_agrees(array); });
    parameters.push_back({std::move(parameter), place, std::move(array)});
  }
  check(!parameters.empty(), ErrorKind::kData, name, ": no parameters, expected some in ", target);
  return parameters;
}

}  // namespace switchyard
