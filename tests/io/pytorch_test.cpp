// SPDX-License-Identifier: Apache-2.0
// Reads files that torch.save wrote (tests/golden/make_pytorch.py), and damaged ones.
#include "src/io/pytorch_file.h"

#include <algorithm>
#include <cstdlib>

#include "src/core/error.h"
#include "src/io/safetensors.h"
#include "src/io/weight_files.h"
#include "tests/support/catch.h"
#include "tests/support/read_tensor.h"
#include "tests/support/temp_directory.h"

using namespace switchyard;

namespace {

fs::path golden() { return fs::path(std::getenv("GOLDEN")) / "pytorch"; }

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<std::byte> bytes_of(const TensorSource& source, std::string_view name) {
  std::vector<std::byte> bytes(source.at(name).bytes);
  source.read_bytes(name, 0, bytes);
  return bytes;
}

void check_same(const TensorSource& found, const TensorSource& expected) {
  CHECK(found.tensors().size() == expected.tensors().size());
  for (const auto& [name, tensor] : expected.tensors()) {
    CAPTURE(name);
    CHECK(found.at(name).dtype == tensor.dtype);
    CHECK(found.at(name).shape == tensor.shape);
    CHECK(found.at(name).bytes == tensor.bytes);
    CHECK(bytes_of(found, name) == bytes_of(expected, name));
  }
}

std::string error_of(const fs::path& path) {
  try {
    PytorchFile file(path);
    return "";
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kData);
    return e.what();
  }
}

std::string error_of_content(const std::string& content) {
  const TempDirectory directory;
  write_text(directory / "m.bin", content);
  return error_of(directory / "m.bin");
}

}  // namespace

TEST_CASE("pytorch: every dtype and layout has the bytes of the same tensors in safetensors") {
  check_same(PytorchFile(golden() / "tensors.bin"),
             SafetensorsFile(golden() / "tensors.safetensors"));
}

TEST_CASE("pytorch: parts of a tensor that is not contiguous") {
  const PytorchFile file(golden() / "tensors.bin");
  for (const char* name : {"transposed", "columns", "permuted", "expanded"}) {
    const std::vector<std::byte> whole = bytes_of(file, name);
    for (std::size_t begin = 0; begin <= whole.size(); ++begin)
      for (std::size_t end = begin; end <= whole.size(); ++end) {
        std::vector<std::byte> part(end - begin);
        file.read_bytes(name, begin, part);
        REQUIRE(std::equal(part.begin(), part.end(),
                           whole.begin() + static_cast<std::ptrdiff_t>(begin)));
      }
  }
}

TEST_CASE("pytorch: shards and their index") {
  const TempDirectory directory;
  fs::copy(golden() / "shards", directory.path());
  const auto shards = open_weights(directory.path());
  CHECK(shards->path().filename() == "pytorch_model.bin.index.json");
  CHECK(shards->files().size() == 3);
  check_same(*shards, SafetensorsFile(golden() / "tensors.safetensors"));
  // A single file is preferred, and safetensors to both.
  fs::copy(golden() / "parameters.bin", directory / "pytorch_model.bin");
  CHECK(open_weights(directory.path())->tensors().size() == 2);
  fs::copy(golden() / "tensors.safetensors", directory / "model.safetensors");
  CHECK(open_weights(directory.path())->path().filename() == "model.safetensors");
}

TEST_CASE("pytorch: parameters in a plain dict, in an archive without checksums") {
  const PytorchFile file(golden() / "parameters.bin");
  CHECK(file.tensors().size() == 2);
  CHECK(read_f32(file, "a") == std::vector<float>{1, 2});
  CHECK(read_f32(file, "b") == std::vector<float>{3});
  CHECK(file.at("b").shape == std::vector<std::int64_t>{1, 1});
}

TEST_CASE("pytorch: other formats are refused by name") {
  CHECK(contains(error_of(golden() / "old.bin"), "before version 1.6"));
  CHECK(contains(error_of(golden() / "old.bin"), "save_pretrained(DIR)"));
  CHECK(contains(error_of(golden() / "protocol4.bin"), "data.pkl: pickle protocol 4, expected 2"));
  CHECK(contains(error_of(golden() / "tensors.safetensors"), "not a zip archive"));
  CHECK(contains(error_of_content(""), "not a zip archive"));
  CHECK(contains(error_of_content("version https://git-lfs.github.com/spec/v1\n"), "Git LFS"));
}

TEST_CASE("pytorch: a file that is cut anywhere is refused") {
  const std::string whole = read_text(golden() / "parameters.bin");
  const TempDirectory directory;
  for (std::size_t n = 0; n < whole.size(); ++n) {
    write_text(directory / "m.bin", whole.substr(0, n));
    CAPTURE(n);
    CHECK(contains(error_of(directory / "m.bin"), "m.bin: "));
  }
}
