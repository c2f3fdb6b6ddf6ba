// SPDX-License-Identifier: Apache-2.0
// Reads T5X checkpoints that tests/golden/make_t5x.py wrote, and damaged ones.
#include "src/io/t5x.h"

#include <algorithm>
#include <cstdlib>

#include "src/core/error.h"
#include "src/io/safetensors.h"
#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

using namespace switchyard;
using namespace std::string_view_literals;

namespace {

fs::path golden(const std::string& name) { return fs::path(std::getenv("GOLDEN")) / "t5x" / name; }

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

// A copy of a golden checkpoint that a test may damage.
class Copy {
 public:
  explicit Copy(const std::string& name = "switch") {
    fs::copy(golden(name) / "checkpoint_7", path(), fs::copy_options::recursive);
  }
  fs::path path() const { return directory_ / "checkpoint_7"; }
  fs::path operator/(const std::string& name) const { return path() / name; }

  // Replaces the first `from` in a file; both have the same size unless the file is JSON.
  void edit(const std::string& file, const std::string& from, const std::string& to) const {
    std::string text = read_text(path() / file);
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    write_text(path() / file, text.replace(at, from.size(), to));
  }

  // The error when it is opened or, if it can be opened, read.
  std::string error() const {
    try {
      const auto source = open_t5x(path());
      for (const auto& [name, tensor] : source->tensors()) bytes_of(*source, name);
      return "";
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::kData);
      CHECK(contains(e.what(), directory_.path().native()));
      return e.what();
    }
  }

 private:
  TempDirectory directory_;
};

const std::string kWi = "target.encoder.layers_1.mlp.expert.wi.kernel";
const std::string kQuery = "target.encoder.layers_0.attention.query.kernel";

}  // namespace

TEST_CASE("t5x: a Switch Transformer in zarr arrays") {
  const auto source = open_t5x(golden("switch") / "checkpoint_7");
  check_same(*source, SafetensorsFile(golden("switch.safetensors")));
  CHECK(source->path().filename() == "checkpoint");
  CHECK(source->file_of("encoder.block.1.layer.1.mlp.experts.expert_2.wi.weight").filename() ==
        kWi);
  CHECK(source->file_of("encoder.final_layer_norm.weight") == source->path());
}

TEST_CASE("t5x: gated experts and an untied head, described as for the cloud") {
  check_same(*open_t5x(golden("gated") / "checkpoint_7"),
             SafetensorsFile(golden("gated.safetensors")));
}

TEST_CASE("t5x: T5 with all parameters in the file") {
  check_same(*open_t5x(golden("t5") / "checkpoint_7"), SafetensorsFile(golden("t5.safetensors")));
}

TEST_CASE("t5x: any part of a tensor") {
  const auto source = open_t5x(golden("switch") / "checkpoint_7");
  for (const char* name : {"encoder.block.1.layer.1.mlp.experts.expert_1.wi.weight",
                           "encoder.block.0.layer.0.layer_norm.weight"}) {
    const std::vector<std::byte> whole = bytes_of(*source, name);
    for (std::size_t begin = 0; begin <= whole.size(); begin += 3)
      for (std::size_t end = begin; end <= whole.size(); end += 5) {
        std::vector<std::byte> part(end - begin);
        source->read_bytes(name, begin, part);
        REQUIRE(std::equal(part.begin(), part.end(),
                           whole.begin() + static_cast<std::ptrdiff_t>(begin)));
      }
  }
}

TEST_CASE("t5x: every file that is read is listed") {
  const auto source = open_t5x(golden("switch") / "checkpoint_7");
  std::vector<fs::path> files = source->files();
  std::vector<fs::path> expected;
  for (const auto& entry : fs::recursive_directory_iterator(golden("switch") / "checkpoint_7"))
    if (entry.is_regular_file()) expected.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::sort(expected.begin(), expected.end());
  CHECK(files == expected);
}

TEST_CASE("t5x: a missing, cut or exchanged chunk is an error") {
  const Copy copy;
  CHECK(copy.error().empty());
  const std::string chunk = kWi + "/1.0.2";
  const std::string whole = read_text(copy / chunk);
  fs::remove(copy / chunk);
  CHECK(contains(copy.error(), chunk + ": no such file"));
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    write_text(copy / chunk, whole.substr(0, n));
    CHECK(contains(copy.error(), chunk + ": "));
  }
  write_text(copy / chunk, whole + "x");
  CHECK(contains(copy.error(), chunk + ": data after the end"));
  for (const char* other : {"target.decoder.layers_0.mlp.router.router_weights.w.kernel/0.0",
                            "target.token_embedder.embedding/0.0"}) {
    fs::copy_file(copy / other, copy / chunk, fs::copy_options::overwrite_existing);
    CHECK(contains(copy.error(), chunk + ": holds "));
  }
}

TEST_CASE("t5x: a description that cannot be right is an error") {
  struct Case {
    const char *from, *to, *message;
  };
  for (const Case& c : std::vector<Case>{
           {"\"chunks\":[2,6,8]", "\"chunks\":[2,0,8]", "chunks: [2,0,8], expected numbers from 1"},
           {"\"chunks\":[2,6,8]", "\"chunks\":[2,6,-4]", "chunks: [2,6,-4], expected numbers"},
           {"\"chunks\":[2,6,8]", "\"chunks\":[2,6]", "chunks: [2, 6], expected at most shape"},
           {"\"chunks\":[2,6,8]", "\"chunks\":[2,7,8]", "chunks: [2, 7, 8], expected at most"},
           {"\"chunks\":[2,6,8]", "\"chunks\":[2,6,7]", "chunks [2, 6, 8] in the file checkpoint"},
           {"\"shape\":[3,6,20]", "\"shape\":[3,6,-1]", "shape: [3,6,-1], expected numbers"},
           {"\"shape\":[3,6,20]", "\"shape\":[3,6,1000000000000]", "are 250000000000 files"},
           {"\"shape\":[3,6,20]", "\"shape\":[3,6,21]", "shape [3, 6, 20] in the file checkpoint"},
           {"\"shape\":[3,6,20]", "\"shape\":[3,6,2e1]", "shape: [3,6,20.0], expected numbers"},
           {"\"shape\":[3,6,20]", "\"shape\":[3,6,5,4]", "expected 1 to 3 numbers"},
           {"\"shape\":[3,6,20]", "\"shape\":[1099511627776,1099511627776,20]", "beyond 64 bits"},
           {"<f4", ">f4", "dtype: \">f4\", expected float32"},
           {"<f4", "<i4", "dtype: \"<i4\", expected float32"},
           {"<f4", "<f2", "dtype float32 in the file checkpoint, but F16 in .zarray"},
           {"\"order\":\"C\"", "\"order\":\"F\"", "order: \"F\", expected C"},
           {"\"filters\":null", "\"filters\":[{}]", "filters: [{}], expected null"},
           {"\"gzip\"", "\"blosc\"", "compressor: \"blosc\", expected gzip or zlib"},
           {"{\"id\":\"gzip\",\"level\":1}", "null",
            "bytes, too few or too many for a chunk of 384"},
           {"\"zarr_format\":2", "\"zarr_format\":3", "zarr_format: 3, expected 2"},
           {"\"dimension_separator\":\".\"", "\"dimension_separator\":\"..\"", "expected . or /"},
           {"\"order\":\"C\",", "", "no \"order\""},
           {"{", "", ".zarray:1:"},
       }) {
    CAPTURE(c.to);
    const Copy copy;
    copy.edit(kWi + "/.zarray", c.from, c.to);
    CHECK(contains(copy.error(), c.message));
    CHECK(contains(copy.error(), kWi));
  }
  const Copy copy;
  fs::remove(copy / (kWi + "/.zarray"));
  CHECK(contains(copy.error(), kWi + "/.zarray: no such file"));
}

TEST_CASE("t5x: nothing outside the directory is opened") {
  const std::string path = kQuery + "/";
  for (const std::string_view start : {"../"sv, "/tmp/"sv, "./"sv, "a/../../"sv, "a\0"sv}) {
    CAPTURE(start);
    const Copy copy;
    copy.edit("checkpoint", path, std::string(start) + path.substr(start.size()));
    CHECK(contains(copy.error(), "expected the name of a directory in the checkpoint"));
  }
  const Copy copy;
  copy.edit("checkpoint", path, path.substr(0, path.size() - 2) + "x/");
  CHECK(contains(copy.error(), ".zarray: no such file"));
}

TEST_CASE("t5x: other drivers are refused") {
  const Copy copy;
  copy.edit("checkpoint",
            "\xa4"
            "file",
            "\xa4"
            "http");
  CHECK(contains(copy.error(), "kvstore/driver: http, expected file, gfile, gcs"));
  const Copy second;
  second.edit("checkpoint",
              "\xa4"
              "zarr",
              "\xa4"
              "n5db");
  CHECK(contains(second.error(), "driver: n5db, expected zarr"));
}

TEST_CASE("t5x: a file that is cut anywhere is refused") {
  const Copy copy;
  const std::string whole = read_text(copy / "checkpoint");
  for (std::size_t n = 0; n < whole.size(); n += n < 300 ? 1 : 97) {
    CAPTURE(n);
    write_text(copy / "checkpoint", whole.substr(0, n));
    CHECK(contains(copy.error(), "checkpoint: "));
  }
  write_text(copy / "checkpoint", whole + "\xc0");
  CHECK(contains(copy.error(), "damaged msgpack"));
}

TEST_CASE("t5x: parameters that Switchyard has no place for") {
  const Copy copy("t5");
  copy.edit("checkpoint", "pre_mlp_layer_norm", "pre_xlp_layer_norm");
  CHECK(contains(copy.error(), "parameter encoder/layers_0/pre_xlp_layer_norm/scale: unknown"));
  const Copy second("t5");
  second.edit("checkpoint", "float16", "float64");
  CHECK(contains(second.error(), "dtype: \"float64\""));
}

TEST_CASE("t5x: directories that are something else") {
  const TempDirectory directory;
  const auto error_of = [&](const fs::path& path) {
    try {
      open_t5x(path);
      return std::string();
    } catch (const Error& e) {
      return std::string(e.what());
    }
  };
  CHECK(!is_t5x(directory.path()));
  CHECK(contains(error_of(directory.path()), "no file checkpoint, expected a T5X checkpoint"));
  CHECK(contains(error_of(directory / "none"), "no such directory"));
  fs::create_directory(directory / "checkpoint_500");
  CHECK(contains(error_of(directory.path()), "expected one of them, such as checkpoint_500"));
  fs::copy(golden("t5") / "checkpoint_7", directory / "checkpoint_8.tmp-123");
  CHECK(contains(error_of(directory / "checkpoint_8.tmp-123"), "interrupted"));
  CHECK(contains(error_of(directory / "checkpoint_8.tmp-123/"), "interrupted"));
  fs::create_directory(directory / "tf");
  write_text(directory / "tf" / "checkpoint", "model_checkpoint_path: \"model.ckpt-1\"\n");
  CHECK(is_t5x(directory / "tf"));
  CHECK(contains(error_of(directory / "tf"), "TensorFlow's list of checkpoints"));
  write_text(directory / "tf" / "checkpoint", "<!DOCTYPE html>");
  CHECK(contains(error_of(directory / "tf"), "an HTML page"));
  fs::create_directories(directory / "orbax" / "state");
  write_text(directory / "orbax" / "state" / "checkpoint", "");
  CHECK(contains(error_of(directory / "orbax"), "Orbax"));
  fs::create_directory(directory / "placeholder");
  write_text(directory / "placeholder" / "checkpoint", "\x81\xa6target\x81\xa1x\xaePLACEHOLDER://");
  CHECK(contains(error_of(directory / "placeholder"), "Orbax"));
}
