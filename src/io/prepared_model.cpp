// SPDX-License-Identifier: Apache-2.0
#include "src/io/prepared_model.h"

#include <cassert>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/hash.h"
#include "src/core/log.h"
#include "src/core/mapped_file.h"
#include "src/io/prepared_header.h"

namespace switchyard {

namespace {

constexpr std::uint64_t kVerifiedBytes = 1 << 16;  // when loading

// Weights before they are loaded have no shape.
std::uint64_t stored_bytes(const Context& ctx, const Param& param) {
  if (stored_layout(ctx, param).empty())
    return static_cast<std::uint64_t>(param.size()) * sizeof(float);
  Weight weight;
  weight.value.rows = param.rows;
  weight.value.cols = param.cols;
  weight.role = param.weight.role;
  return packed_bytes(ctx, weight);
}

std::span<const std::byte> stored_form(Context& ctx, const Param& param,
                                       std::vector<std::byte>& host) {
  host.resize(stored_bytes(ctx, param));
  if (!stored_layout(ctx, param).empty()) {
    download_packed(ctx, param.weight, host.data());
    return host;
  }
  check(static_cast<bool>(param.weight.value), ErrorKind::kRuntime, "tensor ", param.name,
        ": has only a packed form that is not for files, expected its float32 value");
  download(ctx, param.weight.value, reinterpret_cast<float*>(host.data()), param.size());
  return host;
}

// A mapped file and its header.
class PreparedFile {
 public:
  explicit PreparedFile(const fs::path& path) : file_(std::make_shared<const MappedFile>(path)) {
    is_readable_ = header_.read(file_->bytes(), path);
  }

  bool is_readable() const { return is_readable_; }
  const PreparedHeader& header() const { return header_; }
  const std::shared_ptr<const MappedFile>& file() const { return file_; }

  const PreparedTensor& at(const Param& param) const {
    const auto found = header_.tensors.find(param.name);
    check(found != header_.tensors.end(), ErrorKind::kData, "no tensor ", param.name);
    return found->second;
  }
  std::span<const std::byte> bytes_of(const PreparedTensor& tensor) const {
    return file_->bytes().subspan(header_.data_begin + tensor.offset, tensor.bytes);
  }
  void verify(const std::string& name, const PreparedTensor& tensor) const {
    check(xxh64(bytes_of(tensor)) == tensor.checksum, ErrorKind::kData, "tensor ", escaped(name),
          ": ", tensor.bytes, " bytes do not have the checksum of the header");
  }

 private:
  std::shared_ptr<const MappedFile> file_;
  PreparedHeader header_;
  bool is_readable_ = false;
};

// Returns the layout that the context needs but the file does not have: "has layout A, expected B".
std::string other_layout(const Context& ctx, const PreparedFile& prepared, const Model& model) {
  std::string result;
  model.each_param([&](const Param& param) {
    const std::string found = prepared.at(param).layout, expected = stored_layout(ctx, param);
    if (result.empty() && found != expected)
      result = "it has layout " + escaped(found.empty() ? "float32" : found) + ", expected " +
               (expected.empty() ? "float32" : expected) + " on this machine";
  });
  return result;
}

// Error(kData) unless the file has exactly the model's tensors, as the context reads them.
void check_tensors(const Context& ctx, const PreparedFile& prepared, const Model& model) {
  std::size_t count = 0;
  model.each_param([&](const Param& param) {
    ++count;
    const PreparedTensor& tensor = prepared.at(param);
    check(tensor.rows == param.rows && tensor.cols == param.cols, ErrorKind::kData, "tensor ",
          param.name, ": shape [", tensor.rows, ", ", tensor.cols, "], expected [", param.rows,
          ", ", param.cols, "]");
    const std::uint64_t expected = stored_bytes(ctx, param);
    check(tensor.bytes == expected, ErrorKind::kData, "tensor ", param.name, ": ", tensor.bytes,
          " bytes, expected ", expected);
    if (tensor.layout.empty() || tensor.bytes < kVerifiedBytes) prepared.verify(param.name, tensor);
  });
  check(count == prepared.header().tensors.size(), ErrorKind::kData,
        prepared.header().tensors.size(), " tensors, expected ", count);
}

void adopt(Context& ctx, const PreparedFile& prepared, Model& model) {
  Model::PreparedWeights weights;
  weights.packed = [&](const Param& param) {
    const PreparedTensor& tensor = prepared.at(param);
    assert(!tensor.layout.empty());
    return std::shared_ptr<const void>(prepared.file(), prepared.bytes_of(tensor).data());
  };
  weights.read = [&](const Param& param, View to) {
    const PreparedTensor& tensor = prepared.at(param);
    assert(tensor.layout.empty());
    upload(ctx, reinterpret_cast<const float*>(prepared.bytes_of(tensor).data()), param.size(), to);
  };
  weights.check_unchanged = [file = prepared.file()] { file->check_unchanged(); };
  model.adopt_prepared(ctx, weights);
  model.check_unchanged();
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

}  // namespace

std::string prepared_name(DType compute_type) {
  return std::string("prepared-") + name_of(compute_type) + ".bin";
}

void write_prepared_file(Context& ctx, const fs::path& path, const Model& model,
                         const Source& source) {
  PreparedHeader header;
  header.compute_type = name_of(ctx.weight_type);
  header.source = source;
  std::map<std::string, const Param*, std::less<>> params;  // in the order of the header's tensors
  std::vector<std::byte> host;
  model.each_param([&](const Param& param) {
    params[param.name] = &param;
    const auto bytes = stored_form(ctx, param, host);
    header.tensors[param.name] = {
        stored_layout(ctx, param), param.rows, param.cols, 0, bytes.size(), xxh64(bytes)};
  });
  DurableFile file(path);
  file.write(header.lay_out());
  std::uint64_t end = 0;
  for (const auto& [name, tensor] : header.tensors) {
    file.write(std::string(tensor.offset - end, '\0'));
    file.write(stored_form(ctx, *params[name], host));
    end = tensor.offset + tensor.bytes;
  }
  file.commit();
}

std::string adopt_prepared_file(Context& ctx, const fs::path& directory,
                                const TensorSource& weights, Model& model) {
  const std::string name = prepared_name(ctx.weight_type);
  const fs::path path = directory / name;
  if (!ctx.row_invariant || !is_there(path)) return "";
  const std::string shown = escaped(path.native());
  const auto not_used = [&](const std::string& why) {
    return shown + " is not used: " + why + "; switch-convert --prepare renews it";
  };
  const PreparedFile prepared(path);
  if (!prepared.is_readable()) {
    log_verbose(not_used("it is of another version or byte order"));
    return "";
  }
  const std::string difference = prepared.header().source.difference(weights);
  if (!difference.empty()) {
    log_info(not_used("it is stale: " + difference));
    return "";
  }
  return with_context(shown, [&]() -> std::string {
    check(prepared.header().compute_type == name_of(ctx.weight_type), ErrorKind::kData,
          "compute_type ", escaped(prepared.header().compute_type), ", expected ",
          name_of(ctx.weight_type));
    const std::string other = other_layout(ctx, prepared, model);
    if (!other.empty()) {
      log_verbose(not_used(other));
      return "";
    }
    check_tensors(ctx, prepared, model);
    adopt(ctx, prepared, model);
    log_verbose(shown + " is mapped");
    return name;
  });
}

std::string verify_prepared_file(const fs::path& path) {
  const PreparedFile prepared(path);
  std::set<std::string> layouts;
  with_context(escaped(path.native()), [&] {
    for (const auto& [name, tensor] : prepared.header().tensors) {
      prepared.verify(name, tensor);
      if (!tensor.layout.empty()) layouts.insert(tensor.layout);
    }
  });
  prepared.file()->check_unchanged();
  std::string list;
  for (const std::string& layout : layouts) list += (list.empty() ? "" : ", ") + layout;
  return list;
}

}  // namespace switchyard
