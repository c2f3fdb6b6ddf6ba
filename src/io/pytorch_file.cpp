// SPDX-License-Identifier: Apache-2.0
#include "src/io/pytorch_file.h"

#include <algorithm>
#include <cassert>

#include "src/core/error.h"
#include "src/core/file_content.h"
#include "src/io/state_dict.h"
#include "src/io/zip_archive.h"

namespace switchyard {

namespace {

constexpr std::string_view kZipMagic = "PK\3\4";
// Before version 1.6 a file starts with a pickled integer, 0x1950a86a20f9469cfc6c.
constexpr std::string_view kOldMagic = "\x80\2\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
constexpr std::size_t kStartBytes = 64;
constexpr std::size_t kMaxPickleBytes = std::size_t{1} << 26;

std::string read_start(const InputFile& file, ZipEntry entry, std::size_t max_bytes) {
  std::string text(std::min(entry.bytes, max_bytes), '\0');
  file.read(entry.begin, std::as_writable_bytes(std::span(text)));
  return text;
}

void check_format(const InputFile& file) {
  const std::string start = read_start(file, {0, file.size_bytes()}, kStartBytes);
  if (start.starts_with(kZipMagic)) return;
  if (start.starts_with(kOldMagic))
    fail(ErrorKind::kData,
         "the format of torch.save before version 1.6, which is not read; load the model in "
         "transformers and call save_pretrained(DIR)");
  const std::string_view content = recognised_content(start);
  fail(ErrorKind::kData, content.empty() ? "not a zip archive" : content,
       ", expected a file written by torch.save");
}

// The archive's files by their path below its one directory, which torch names after the file.
ZipEntries archive_files(const InputFile& file) {
  ZipEntries files;
  std::string root;
  for (const auto& [name, entry] : zip_entries(file)) {
    const std::size_t end = name.find('/') + 1;
    if (root.empty()) root = name.substr(0, end);
    check(name.starts_with(root), ErrorKind::kData, "entry ", escaped(name), ", expected one in ",
          escaped(root), " as the others are");
    files.emplace(name.substr(end), entry);
  }
  return files;
}

ZipEntry find(const ZipEntries& files, const std::string& name) {
  const auto found = files.find(name);
  check(found != files.end(), ErrorKind::kData, "no ", escaped(name), " in the archive");
  return found->second;
}

std::string read_pickle(const InputFile& file, const ZipEntries& files) {
  check(files.find("constants.pkl") == files.end(), ErrorKind::kData,
        "a TorchScript program, expected a state dict");
  const ZipEntry pickle = find(files, "data.pkl");
  check(pickle.bytes <= kMaxPickleBytes, ErrorKind::kData, "data.pkl: ", pickle.bytes,
        " bytes, expected at most ", kMaxPickleBytes);
  // Files of older versions do not say, and are little-endian on all common machines.
  if (const auto order = files.find("byteorder"); order != files.end()) {
    const std::string text = read_start(file, order->second, kStartBytes);
    check(text == "little", ErrorKind::kData, "byteorder: ", escaped(text), ", expected little");
  }
  return read_start(file, pickle, pickle.bytes);
}

// Reads `elements` of `shape` and `strides` from element `first` in row-major order, into `to`.
void gather(const InputFile& file, const StoredTensor& tensor, std::span<const std::size_t> strides,
            std::size_t first, std::size_t element_bytes, std::span<std::byte> to) {
  const std::size_t rank = strides.size();
  const auto columns = static_cast<std::size_t>(tensor.shape[rank - 1]);
  const bool whole_rows = strides[rank - 1] == element_bytes;
  const std::size_t end = first + to.size() / element_bytes;
  for (std::size_t i = first; i < end;) {
    std::size_t at = tensor.begin;
    std::size_t rest = i;
    for (std::size_t d = rank; d-- > 0;) {
      const auto extent = static_cast<std::size_t>(tensor.shape[d]);
      at += rest % extent * strides[d];
      rest /= extent;
    }
    const std::size_t n = whole_rows ? std::min(columns - i % columns, end - i) : 1;
    file.read(at, to.subspan((i - first) * element_bytes, n * element_bytes));
    i += n;
  }
}

}  // namespace

PytorchFile::PytorchFile(const fs::path& path) : file_(path) {
  with_context(escaped(path.native()), [&] {
    check_format(file_);
    const ZipEntries files = archive_files(file_);
    const std::string pickle = read_pickle(file_, files);
    for (PickledTensor& tensor :
         with_context("data.pkl", [&] { return read_state_dict(pickle); })) {
      with_context("tensor " + escaped(tensor.name), [&] {
        const ZipEntry storage = find(files, "data/" + tensor.storage);
        const std::size_t expected = tensor.storage_elements * tensor.element_bytes;
        check(storage.bytes == expected, ErrorKind::kData, "data/", escaped(tensor.storage), ": ",
              storage.bytes, " bytes, expected ", expected);
        StoredTensor stored{tensor.dtype, tensor.shape, tensor.element_bytes,
                            storage.begin + tensor.first * tensor.element_bytes};
        for (const std::int64_t extent : tensor.shape)
          stored.bytes *= static_cast<std::size_t>(extent);
        if (!tensor.contiguous()) {
          std::vector<std::size_t>& strides = strides_[tensor.name];
          for (const std::int64_t stride : tensor.strides)
            strides.push_back(static_cast<std::size_t>(stride) * tensor.element_bytes);
        }
        tensors_.emplace(std::move(tensor.name), std::move(stored));
      });
    }
  });
}

void PytorchFile::read_bytes(std::string_view name, std::size_t begin,
                             std::span<std::byte> to) const {
  const StoredTensor& tensor = at(name);
  assert(begin <= tensor.bytes && to.size() <= tensor.bytes - begin);
  const auto strides = strides_.find(name);
  if (strides == strides_.end()) return file_.read(tensor.begin + begin, to);
  if (to.empty()) return;
  // Whole elements, of which the caller may want a part.
  const std::size_t element_bytes = tensor.bytes / static_cast<std::size_t>(tensor.size());
  const std::size_t first = begin / element_bytes;
  const std::size_t end = (begin + to.size() + element_bytes - 1) / element_bytes;
  if (first * element_bytes == begin && to.size() % element_bytes == 0)
    return gather(file_, tensor, strides->second, first, element_bytes, to);
  std::vector<std::byte> whole((end - first) * element_bytes);
  gather(file_, tensor, strides->second, first, element_bytes, whole);
  std::copy_n(whole.begin() + static_cast<std::ptrdiff_t>(begin - first * element_bytes), to.size(),
              to.begin());
}

}  // namespace switchyard
