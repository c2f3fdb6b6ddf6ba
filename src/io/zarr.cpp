// SPDX-License-Identifier: Apache-2.0
#include "src/io/zarr.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>

#include "src/core/error.h"
#include "src/core/file.h"
#include "src/core/json.h"
#include "src/io/tensor_source.h"

namespace switchyard {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxRank = 3;
constexpr std::size_t kMaxChunks = std::size_t{1} << 20;

const json& member(const json& object, const char* key) {
  const auto found = object.find(key);
  check(found != object.end(), ErrorKind::kData, "no \"", key, "\"");
  return *found;
}

std::vector<std::int64_t> read_extents(const json& object, const char* key) {
  const json& list = member(object, key);
  check(list.is_array() && !list.empty() && list.size() <= kMaxRank, ErrorKind::kData, key, ": ",
        value_text(list), ", expected 1 to ", kMaxRank, " numbers");
  std::vector<std::int64_t> extents;
  for (const json& extent : list) {
    const bool ok = extent.is_number_unsigned() && extent.get<std::uint64_t>() >= 1 &&
                    extent.get<std::uint64_t>() <= std::uint64_t{1} << 40;
    check(ok, ErrorKind::kData, key, ": ", value_text(list), ", expected numbers from 1 to 2^40");
    extents.push_back(extent.get<std::int64_t>());
  }
  return extents;
}

std::string read_text(const json& object, const char* key) {
  const json& value = member(object, key);
  check(value.is_string(), ErrorKind::kData, key, ": ", value_text(value), ", expected a string");
  return value.get<std::string>();
}

Compression read_compressor(const json& object) {
  const json& compressor = member(object, "compressor");
  if (compressor.is_null()) return Compression::none;
  check(compressor.is_object(), ErrorKind::kData, "compressor: ", value_text(compressor),
        ", expected an object or null");
  const std::string id = read_text(compressor, "id");
  check(id == "gzip" || id == "zlib", ErrorKind::kData, "compressor: \"", escaped(id),
        "\", expected gzip or zlib");
  return id == "gzip" ? Compression::gzip : Compression::zlib;
}

void check_layout(const json& object) {
  const json& format = member(object, "zarr_format");
  check(format == 2, ErrorKind::kData, "zarr_format: ", value_text(format), ", expected 2");
  const std::string order = read_text(object, "order");
  check(order == "C", ErrorKind::kData, "order: \"", escaped(order), "\", expected C");
  const auto filters = object.find("filters");
  check(filters == object.end() || filters->is_null(), ErrorKind::kData,
        "filters: ", filters == object.end() ? "" : value_text(*filters), ", expected null");
}

struct Zarr {
  ChunkedArray array;
  Compression compression = Compression::none;
  std::string separator = ".";
  std::array<std::int64_t, 3> grid = {};  // chunks per dimension
};

Zarr read_description(const json& object) {
  check_layout(object);
  Zarr zarr;
  ChunkedArray& array = zarr.array;
  const ElementType type = element_type(read_text(object, "dtype"));
  array.dtype = type.dtype;
  array.element_bytes = type.bytes;
  array.shape = read_extents(object, "shape");
  array.chunks = read_extents(object, "chunks");
  bool fits = array.shape.size() == array.chunks.size();
  for (std::size_t i = 0; fits && i < array.shape.size(); ++i)
    fits = array.chunks[i] <= array.shape[i];
  check(fits, ErrorKind::kData, "chunks: ", shape_text(array.chunks), ", expected at most shape ",
        shape_text(array.shape));
  std::size_t bytes = array.element_bytes;
  for (const std::int64_t extent : array.shape)
    bytes = checked_mul(bytes, static_cast<std::size_t>(extent), "shape");
  std::size_t chunks = 1;
  for (std::size_t i = 0; i < 3; ++i) {
    zarr.grid[i] = (array.extents()[i] - 1) / array.chunk_extents()[i] + 1;
    chunks = checked_mul(chunks, static_cast<std::size_t>(zarr.grid[i]), "chunks");
  }
  check(chunks <= kMaxChunks, ErrorKind::kData, "chunks: ", shape_text(array.chunks), " of ",
        shape_text(array.shape), " are ", chunks, " files, expected at most ", kMaxChunks);
  zarr.compression = read_compressor(object);
  if (object.find("dimension_separator") != object.end())
    zarr.separator = read_text(object, "dimension_separator");
  check(zarr.separator == "." || zarr.separator == "/", ErrorKind::kData, "dimension_separator: \"",
        escaped(zarr.separator), "\", expected . or /");
  return zarr;
}

// The name of a chunk: its index in each dimension.
std::string chunk_name(const ChunkedArray::ChunkIndex& index, std::size_t rank,
                       const std::string& separator) {
  std::string name;
  for (std::size_t i = 3 - rank; i < 3; ++i)
    name += (name.empty() ? "" : separator) + std::to_string(index[i]);
  return name;
}

// Records the files of all chunks, and checks that each could hold a chunk.
void find_chunks(Zarr& zarr, const fs::path& directory) {
  ChunkedArray& array = zarr.array;
  std::size_t bytes = array.element_bytes;
  for (const std::int64_t extent : array.chunks) bytes *= static_cast<std::size_t>(extent);
  ChunkedArray::ChunkIndex at = {};
  for (at[0] = 0; at[0] < zarr.grid[0]; ++at[0])
    for (at[1] = 0; at[1] < zarr.grid[1]; ++at[1])
      for (at[2] = 0; at[2] < zarr.grid[2]; ++at[2]) {
        fs::path path = directory / chunk_name(at, array.shape.size(), zarr.separator);
        std::error_code error;
        check(fs::is_regular_file(path, error), ErrorKind::kData, escaped(path.native()),
              ": no such file, expected a chunk of the array; is the copy incomplete?");
        const std::uintmax_t size = fs::file_size(path, error);
        check(!error, ErrorKind::kRuntime, escaped(path.native()), ": ", error.message());
        check(can_hold(zarr.compression, size, bytes), ErrorKind::kData, escaped(path.native()),
              ": ", size, " bytes, too few or too many for a chunk of ", bytes);
        array.files.push_back(std::move(path));
      }
}

}  // namespace

ElementType element_type(std::string_view name) {
  struct Known {
    std::string_view numpy, zarr;
    ElementType type;
  };
  constexpr Known kKnown[] = {
      {"float32", "<f4", {"F32", 4}},
      {"bfloat16", "bfloat16", {"BF16", 2}},
      {"float16", "<f2", {"F16", 2}},
  };
  for (const Known& known : kKnown)
    if (name == known.numpy || name == known.zarr) return known.type;
  fail(ErrorKind::kData, "dtype: \"", escaped(name),
       "\", expected float32 (<f4), float16 (<f2) or bfloat16");
}

ChunkedArray open_zarr(const fs::path& directory) {
  const fs::path description = directory / ".zarray";
  std::error_code error;
  check(fs::exists(description, error), ErrorKind::kData, escaped(description.native()),
        ": no such file, expected the description of an array; is the copy incomplete?");
  const json object = read_json_object(description);
  Zarr zarr = with_context(escaped(description.native()), [&] { return read_description(object); });
  zarr.array.files.push_back(description);
  find_chunks(zarr, directory);
  const std::size_t rank = zarr.array.shape.size();
  zarr.array.open = [=, compression = zarr.compression,
                     separator = zarr.separator](const ChunkedArray::ChunkIndex& index) {
    return open_stream(directory / chunk_name(index, rank, separator), compression);
  };
  return std::move(zarr.array);
}

}  // namespace switchyard
