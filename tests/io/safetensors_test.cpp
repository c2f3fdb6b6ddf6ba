// SPDX-License-Identifier: Apache-2.0
#include "src/io/safetensors.h"

#include <sys/stat.h>

#include <cstring>
#include <ctime>

#include "src/core/dtype.h"
#include "src/core/error.h"
#include "src/core/rng.h"
#include "src/io/safetensors_writer.h"
#include "tests/support/catch.h"
#include "tests/support/read_tensor.h"
#include "tests/support/temp_directory.h"

using namespace switchyard;

namespace {

std::string little_endian(std::uint64_t value) {
  std::string text(8, '\0');
  std::memcpy(text.data(), &value, 8);
  return text;
}

std::string file_of(const std::string& header, const std::string& data) {
  return little_endian(header.size()) + header + data;
}

// Returns the error from reading `content`; empty if there is none.
std::string error_of(const std::string& content) {
  const TempDirectory directory;
  write_text(directory / "m.safetensors", content);
  try {
    SafetensorsFile file(directory / "m.safetensors");
    return "";
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kData);
    return e.what();
  }
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Two tensors: a [2] F32 = {1, 2}, b [1, 2] F32 = {3, 4}.
const std::string kGoodHeader = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                                R"("b":{"dtype":"F32","shape":[1,2],"data_offsets":[8,16]}})";

std::string good_data() {
  const float values[4] = {1, 2, 3, 4};
  return std::string(reinterpret_cast<const char*>(values), sizeof(values));
}

std::string one_tensor(const std::string& dtype, const std::string& shape,
                       const std::string& offsets) {
  return R"({"t":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

}  // namespace

TEST_CASE("safetensors: reading restores what was written, and files are reproducible") {
  const TempDirectory directory;
  const std::vector<float> a = {1, -2.5f, 3}, b = {4, 5, 6, 7};
  const auto values_of = [](const std::vector<float>& v) {
    return [&v] { return std::span<const float>(v); };
  };
  write_safetensors(directory / "1",
                    {{"b.weight", {2, 2}, values_of(b)}, {"a", {3}, values_of(a)}});
  write_safetensors(directory / "2",
                    {{"a", {3}, values_of(a)}, {"b.weight", {2, 2}, values_of(b)}});
  CHECK(read_text(directory / "1") == read_text(directory / "2"));

  const SafetensorsFile file(directory / "1");
  CHECK(file.tensors().size() == 2);
  CHECK(contains(read_text(directory / "1"), R"({"__metadata__":{"format":"pt"},)"));
  CHECK(read_f32(file, "a") == a);
  CHECK(read_f32(file, "b.weight") == b);
  CHECK(file.at("b.weight").shape == std::vector<std::int64_t>{2, 2});
  CHECK(file.at("a").begin % 8 == 0);
  CHECK_THROWS_AS(file.at("c"), Error);
}

TEST_CASE("safetensors: a header may be padded, reordered, pretty-printed and escaped") {
  const std::string variants[] = {
      kGoodHeader + "     ",
      R"({"b":{"data_offsets":[8,16],"shape":[1,2],"dtype":"F32"},)"
      R"("a":{"shape":[2],"dtype":"F32","data_offsets":[0,8]}})",
      "{\n  \"a\": {\"dtype\": \"F32\",\n \"shape\": [ 2 ], \"data_offsets\": [0, 8]},\n"
      " \"\\u0062\": {\"dtype\": \"F\\u00332\", \"shape\": [1, 2], \"data_offsets\": [8, 16]},\n"
      " \"__metadata__\": {\"format\": \"pt\"}}\n",
  };
  for (const std::string& header : variants) {
    const TempDirectory directory;
    CAPTURE(header);
    write_text(directory / "m", file_of(header, good_data()));
    const SafetensorsFile file(directory / "m");
    CHECK(read_f32(file, "a") == std::vector<float>{1, 2});
    CHECK(read_f32(file, "b") == std::vector<float>{3, 4});
  }
}

TEST_CASE("safetensors: a header's length may look like another format") {
  for (const std::size_t length : {0x8B1F, 0xFEFF, 0xFFFE}) {  // gzip data, UTF-16 text
    CAPTURE(length);
    CHECK(error_of(file_of(kGoodHeader + std::string(length - kGoodHeader.size(), ' '),
                           good_data())) == "");
  }
}

TEST_CASE("safetensors: half and integer types") {
  const TempDirectory directory;
  const std::uint16_t halves[4] = {0x3F80, 0xC000, 0x3C00, 0xC000};  // 1, -2 as bf16, then as f16
  const std::int64_t integers[2] = {-100, std::int64_t{1} << 40};
  const std::string header = R"({"bf":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},)"
                             R"("h":{"dtype":"F16","shape":[2],"data_offsets":[4,8]},)"
                             R"("i":{"dtype":"I64","shape":[2],"data_offsets":[8,24]},)"
                             R"("none":{"dtype":"F32","shape":[0,5],"data_offsets":[24,24]},)"
                             R"("one":{"dtype":"BOOL","shape":[],"data_offsets":[24,25]}})";
  const std::string data = std::string(reinterpret_cast<const char*>(halves), sizeof(halves)) +
                           std::string(reinterpret_cast<const char*>(integers), sizeof(integers)) +
                           "\1";
  write_text(directory / "m", file_of(header, data));
  const SafetensorsFile file(directory / "m");
  CHECK(read_f32(file, "bf") == std::vector<float>{1, -2});
  CHECK(read_f32(file, "h") == std::vector<float>{1, -2});
  for (const char* name : {"bf", "h"}) {
    float second = 0;
    file.read_f32(name, 1, {&second, 1});
    CHECK(second == -2);
  }
  CHECK(read_i64(file, "i") == std::vector<std::int64_t>{-100, std::int64_t{1} << 40});
  CHECK(read_f32(file, "none").empty());
  CHECK(file.at("one").size() == 1);
  CHECK_THROWS_AS(read_f32(file, "i"), Error);
  CHECK_THROWS_AS(read_f32(file, "one"), Error);
}

// Values to convert and bytes to compare are read in blocks.
TEST_CASE("safetensors: tensors of several blocks") {
  const TempDirectory directory;
  constexpr std::size_t kCount = 150'000;
  std::string data;
  std::vector<float> expected;
  for (std::size_t i = 0; i < kCount; ++i) {
    const auto bits = static_cast<std::uint16_t>(0x3F80 + i % 1009);  // 1 and above, in bfloat16
    data.append(reinterpret_cast<const char*>(&bits), 2);
    expected.push_back(bf16_to_f32(bits));
  }
  std::string changed = data;
  changed[2 * kCount - 100'000] ^= 1;
  const std::string header =
      R"({"a":{"dtype":"BF16","shape":[150000],"data_offsets":[0,300000]},)"
      R"("same":{"dtype":"BF16","shape":[150000],"data_offsets":[300000,600000]},)"
      R"("changed":{"dtype":"BF16","shape":[150000],"data_offsets":[600000,900000]},)"
      R"("reshaped":{"dtype":"BF16","shape":[150000,1],"data_offsets":[900000,1200000]},)"
      R"("retyped":{"dtype":"F16","shape":[150000],"data_offsets":[1200000,1500000]}})";
  write_text(directory / "m", file_of(header, data + data + changed + data + data));
  const SafetensorsFile file(directory / "m");
  const bool as_written = read_f32(file, "a") == expected;  // too many values to print
  CHECK(as_written);
  CHECK(file.same_values("a", "same"));
  for (const char* other : {"changed", "reshaped", "retyped"}) CHECK(!file.same_values("a", other));
}

TEST_CASE("safetensors: impossible header lengths") {
  for (const std::uint64_t length :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{129}, std::uint64_t{100'000'001},
        std::uint64_t{1} << 31, std::uint64_t{1} << 63, ~std::uint64_t{7}, ~std::uint64_t{0}}) {
    CAPTURE(length);
    CHECK(error_of(little_endian(length) + kGoodHeader + good_data()) != "");
  }
}

TEST_CASE("safetensors: truncated at every byte, and one byte too long") {
  const std::string good = file_of(kGoodHeader, good_data());
  REQUIRE(error_of(good) == "");
  for (std::size_t length = 0; length < good.size(); ++length) {
    CAPTURE(length);
    CHECK(error_of(good.substr(0, length)) != "");
  }
  CHECK(contains(error_of(good + " "), "17 bytes of data, expected 16"));
}

TEST_CASE("safetensors: a hostile header is rejected with the reason") {
  struct Case {
    const char* what;
    std::string header;
    std::size_t data_bytes;
    const char* message;  // part of it
  };
  const std::string f32 = "\"F32\"";
  const std::string entry = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  const std::vector<Case> cases = {
      {"hole", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "tensor a starts"},
      {"overlap",
       R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
       R"("b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       8, "tensor b starts at byte 4"},
      {"all on one range", R"({"a":)" + entry + R"(,"b":)" + entry + "}", 4, "tensor b starts"},
      {"swapped offsets", one_tensor(f32, "[1]", "[4,0]"), 4, "tensor t: data_offsets [4, 0]"},
      {"past the end", one_tensor(f32, "[2]", "[0,8]"), 4, "within the file's 4 bytes"},
      {"wrapped", one_tensor(f32, "[1]", "[18446744073709551612,0]"), 4, "tensor t: data_offsets"},
      {"beyond 64 bits", one_tensor(f32, "[1]", "[0,18446744073709551616]"), 4, "tensor t"},
      {"one offset", one_tensor(f32, "[1]", "[4]"), 4, "1 data_offsets"},
      {"three offsets", one_tensor(f32, "[1]", "[0,4,4]"), 4, "more than 2"},
      {"offsets as strings", one_tensor(f32, "[1]", R"(["0","4"])"), 4, "tensor t: data_offsets"},
      {"offsets as floats", one_tensor(f32, "[1]", "[0.0,4.0]"), 4, "tensor t: data_offsets: 0.0"},
      {"offsets as null", one_tensor(f32, "[1]", "null"), 4, "data_offsets: null"},
      {"negative offset", one_tensor(f32, "[1]", "[-4,4]"), 4, "-4"},
      {"negative shape", one_tensor(f32, "[-1]", "[0,4]"), 4, "tensor t: shape: -1"},
      {"negative times negative", one_tensor(f32, "[-1,-1]", "[0,4]"), 4, "shape: -1"},
      {"2^32 * 2^32", one_tensor(f32, "[4294967296,4294967296]", "[0,0]"), 0, "beyond 64 bits"},
      {"product wraps", one_tensor(f32, "[4294967296,4294967296,1]", "[0,4]"), 4, "beyond"},
      {"bytes wrap", one_tensor(f32, "[4611686018427387905]", "[0,4]"), 4, "beyond 64 bits"},
      {"zero hides an overflow", one_tensor(f32, "[9223372036854775807,9,0]", "[0,0]"), 0,
       "beyond 64 bits"},
      {"extent of 2^63", one_tensor(f32, "[9223372036854775808]", "[0,4]"), 4, "a dimension"},
      {"rank 9", one_tensor(f32, "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "more than 8 dimensions"},
      {"shape not an array", one_tensor(f32, "1", "[0,4]"), 4, "shape: 1"},
      {"shape nested", one_tensor(f32, "[[1]]", "[0,4]"), 4, "shape: an array"},
      {"wrong size", one_tensor(f32, "[3]", "[0,4]"), 4, "4 bytes, expected 12 from shape [3]"},
      {"unknown dtype", one_tensor("\"F31\"", "[1]", "[0,4]"), 4, "unknown dtype \"F31\""},
      {"dtype a number", one_tensor("32", "[1]", "[0,4]"), 4, "tensor t: dtype: 32"},
      {"duplicate tensor", R"({"a":)" + entry + R"(,"\u0061":)" + entry + "}", 4, "twice"},
      {"duplicate member",
       R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4,
       "member \"dtype\" twice"},
      {"no dtype", R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4, "tensor a: no dtype"},
      {"no shape", R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, "tensor a: no shape"},
      {"no offsets", R"({"a":{"dtype":"F32","shape":[1]}})", 4, "tensor a: no data_offsets"},
      {"unknown member", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4,
       "unknown member"},
      {"tensor a list", R"({"a":[1]})", 0, "tensor a: an array, expected an object"},
      {"metadata not strings", R"({"__metadata__":{"a":1}})", 0, "__metadata__: 1"},
      {"metadata twice", R"({"__metadata__":{},"__metadata__":{}})", 0, "__metadata__ twice"},
      {"metadata key twice", R"({"__metadata__":{"a":"1","a":"2"}})", 0, "__metadata__: a twice"},
      {"not UTF-8", "{\"\xFF\":" + entry + "}", 4, "not valid JSON"},
      {"byte order mark", "\xEF\xBB\xBF{}", 0, "does not start with '{'"},
      {"array", "[]", 0, "does not start with '{'"},
      {"comment", "{/**/}", 0, "not valid JSON"},
      {"NUL padding", std::string("{}\0\0", 4), 0, "a NUL byte"},
      {"text behind", "{} x", 0, "not valid JSON"},
      {"deep nesting", "{\"a\":" + std::string(1'000'000, '['), 0, "tensor a: an array"},
      {"control characters in a name",
       "{\"a\\u001b[31m\\n\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8,
       "tensor a\\x1B[31m\\x0A: "},
  };
  for (const Case& c : cases) {
    CAPTURE(c.what);
    const std::string error = error_of(file_of(c.header, std::string(c.data_bytes, '\0')));
    CAPTURE(error);
    CHECK(contains(error, c.message));
    CHECK(contains(error, "m.safetensors: "));
    CHECK(!contains(error, "json.exception"));
  }
}

TEST_CASE("safetensors: other kinds of files are rejected at once and named") {
  const TempDirectory directory;
  const auto message = [](const fs::path& path) -> std::string {
    try {
      SafetensorsFile file(path);
      return "";
    } catch (const Error& e) {
      return e.what();
    }
  };
  REQUIRE(::mkfifo((directory / "fifo").c_str(), 0600) == 0);
  CHECK(contains(message(directory / "fifo"), "a named pipe"));
  CHECK(contains(message("/dev/zero"), "a device"));
  CHECK(contains(message(directory.path()), "a directory"));
  fs::create_symlink("nowhere", directory / "dangling");
  CHECK(contains(message(directory / "dangling"), "No such file"));
  fs::create_symlink("loop", directory / "loop");
  CHECK(contains(message(directory / "loop"), "symbolic links"));
  write_text(directory / "lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
  CHECK(contains(message(directory / "lfs"), "a Git LFS pointer"));
  write_text(directory / "html", "<!DOCTYPE html><html></html>");
  CHECK(contains(message(directory / "html"), "an HTML page"));
  write_text(directory / "good", file_of(kGoodHeader, good_data()));
  fs::create_symlink("good", directory / "link");
  CHECK(message(directory / "link") == "");
}

TEST_CASE("safetensors: truncation of an open file is an error") {
  const TempDirectory directory;
  write_text(directory / "m", file_of(kGoodHeader, good_data()));
  const SafetensorsFile file(directory / "m");
  fs::resize_file(directory / "m", fs::file_size(directory / "m") - 4);
  CHECK(read_f32(file, "a") == std::vector<float>{1, 2});
  using Read = void (*)(const TensorSource&);
  for (const Read read : {Read([](const TensorSource& m) { read_f32(m, "b"); }),
                          Read([](const TensorSource& m) { m.same_values("b", "b"); })}) {
    try {
      read(file);
      FAIL("read");
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::kRuntime);
      CHECK(contains(e.what(), "m: ended after "));
    }
  }
}

TEST_CASE("safetensors: a header of a million tensors is read within 5 s") {
  std::string header = "{";
  for (int i = 0; i < 1'000'000; ++i) {
    const std::string at = std::to_string(i);
    header += (i == 0 ? "\"t" : ",\"t") + at + R"(":{"dtype":"U8","shape":[1],"data_offsets":[)" +
              at + "," + std::to_string(i + 1) + "]}";
  }
  const TempDirectory directory;
  write_text(directory / "m", file_of(header + "}", std::string(1'000'000, 'x')));
  const std::clock_t start = std::clock();  // CPU time, so that other programs do not count
  const SafetensorsFile file(directory / "m");
  CHECK(file.tensors().size() == 1'000'000);
#if defined(__SANITIZE_ADDRESS__) || !defined(__OPTIMIZE__)
  const std::clock_t limit_s = 60;
#else
  const std::clock_t limit_s = 5;
#endif
  CHECK(std::clock() - start < limit_s * CLOCKS_PER_SEC);
}

TEST_CASE("safetensors: bit flips in the header never expose bytes outside the file") {
  const std::string good = file_of(kGoodHeader, good_data());
  const TempDirectory directory;
  Rng rng(stream_key(1, 2, 3));
  for (int trial = 0; trial < 2000; ++trial) {
    std::string bad = good;
    const std::uint64_t bit = rng.below(8 * (8 + kGoodHeader.size()));
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    write_text(directory / "m", bad);
    try {
      const SafetensorsFile file(directory / "m");
      std::size_t bytes = 0;
      for (const auto& [name, tensor] : file.tensors()) bytes += tensor.bytes;
      CHECK(bytes == 16);
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::kData);
    }
  }
}
