// SPDX-License-Identifier: Apache-2.0
#include "src/io/zip_archive.h"

#include <zip.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "src/core/error.h"

namespace switchyard {

namespace {

constexpr std::size_t kMaxNameBytes = 4096;

struct ZipError {
  ZipError() { zip_error_init(&error); }
  ~ZipError() { zip_error_fini(&error); }
  ZipError(const ZipError&) = delete;
  ZipError& operator=(const ZipError&) = delete;
  zip_error_t error;
};

// Lets libzip read an InputFile, and records where it does: libzip does not say at which offset the
// data of an entry starts.
class Source {
 public:
  explicit Source(const InputFile& file) : file_(file) {}

  std::size_t last_read() const { return last_read_; }
  // Of reading the file, which cannot be thrown through libzip.
  void rethrow_failure() const {
    if (failure_) throw *failure_;
  }

  static zip_int64_t callback(void* self, void* data, zip_uint64_t size, zip_source_cmd_t command) {
    return static_cast<Source*>(self)->run(data, size, command);
  }

 private:
  zip_int64_t run(void* data, zip_uint64_t size, zip_source_cmd_t command) {
    switch (command) {
      case ZIP_SOURCE_OPEN:
        at_ = 0;
        return 0;
      case ZIP_SOURCE_READ:
        return read(data, size);
      case ZIP_SOURCE_SEEK: {
        const zip_int64_t to =
            zip_source_seek_compute_offset(at_, file_.size_bytes(), data, size, &error_.error);
        if (to < 0) return -1;
        at_ = static_cast<std::size_t>(to);
        return 0;
      }
      case ZIP_SOURCE_TELL:
        return static_cast<zip_int64_t>(at_);
      case ZIP_SOURCE_STAT: {
        if (size < sizeof(zip_stat_t)) return -1;
        auto* stat = static_cast<zip_stat_t*>(data);
        zip_stat_init(stat);
        stat->valid = ZIP_STAT_SIZE;
        stat->size = file_.size_bytes();
        return sizeof(zip_stat_t);
      }
      case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&error_.error, data, size);
      case ZIP_SOURCE_CLOSE:
      case ZIP_SOURCE_FREE:
        return 0;
      case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(
            ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
            ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_SUPPORTS, -1);
      default:
        zip_error_set(&error_.error, ZIP_ER_OPNOTSUPP, 0);
        return -1;
    }
  }

  zip_int64_t read(void* data, zip_uint64_t size) {
    const std::size_t n =
        std::min<std::size_t>(size, file_.size_bytes() - std::min(at_, file_.size_bytes()));
    try {
      file_.read(at_, {static_cast<std::byte*>(data), n});
    } catch (const Error& e) {
      failure_ = e;
      zip_error_set(&error_.error, ZIP_ER_READ, e.error_number());
      return -1;
    }
    last_read_ = at_;
    at_ += n;
    return static_cast<zip_int64_t>(n);
  }

  const InputFile& file_;
  std::size_t at_ = 0;
  std::size_t last_read_ = 0;
  ZipError error_;
  std::optional<Error> failure_;
};

struct Discard {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};
using Archive = std::unique_ptr<zip_t, Discard>;

[[noreturn]] void fail_damaged(const Source& source, zip_error_t* error) {
  source.rethrow_failure();
  fail(ErrorKind::kData, "not a complete zip archive (libzip: ", escaped(zip_error_strerror(error)),
       "); is the file truncated?");
}

Archive open_archive(Source& source) {
  ZipError e;
  zip_source_t* reader = zip_source_function_create(Source::callback, &source, &e.error);
  if (!reader) fail_damaged(source, &e.error);
  Archive archive(zip_open_from_source(reader, ZIP_RDONLY | ZIP_CHECKCONS, &e.error));
  if (!archive) {
    zip_source_free(reader);
    fail_damaged(source, &e.error);
  }
  return archive;
}

// No file is ever created from an archive, but a name that would leave a directory is not torch's.
bool is_plain_path(std::string_view name) {
  if (name.size() > kMaxNameBytes || name.find('\\') != name.npos) return false;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == "..") return false;
    begin = end + 1;
  }
  return name.find('/') != name.npos;
}

// The offset of an entry's data. Reads its first byte through libzip to learn the place.
std::size_t place_of(zip_t* archive, std::uint64_t index, const Source& source) {
  const std::unique_ptr<zip_file_t, Discard> entry(zip_fopen_index(archive, index, 0));
  if (!entry) fail_damaged(source, zip_get_error(archive));
  char first = 0;
  if (zip_fread(entry.get(), &first, 1) != 1) fail_damaged(source, zip_file_get_error(entry.get()));
  return source.last_read();
}

}  // namespace

ZipEntries zip_entries(const InputFile& file) {
  Source source(file);
  const Archive archive = open_archive(source);
  ZipEntries entries;
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  for (zip_int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<std::uint64_t>(i);
    zip_stat_t stat;
    // The name's bytes as they are.
    if (zip_stat_index(archive.get(), index, ZIP_FL_ENC_RAW, &stat) != 0)
      fail_damaged(source, zip_get_error(archive.get()));
    const std::string name = stat.name;
    const std::string where = "entry " + escaped(name);
    check(is_plain_path(name), ErrorKind::kData, where,
          ", expected a path below a directory of the archive");
    check(stat.encryption_method == ZIP_EM_NONE, ErrorKind::kData, where, " is encrypted");
    check(stat.comp_method == ZIP_CM_STORE && stat.size == stat.comp_size, ErrorKind::kData, where,
          " is compressed, but torch.save stores without compression");
    ZipEntry entry;
    entry.bytes = stat.size;
    if (entry.bytes > 0) entry.begin = place_of(archive.get(), index, source);
    check(entry.begin <= file.size_bytes() && entry.bytes <= file.size_bytes() - entry.begin,
          ErrorKind::kData, where, ": ", entry.bytes, " bytes from byte ", entry.begin,
          " in a file of ", file.size_bytes());
    check(entries.emplace(name, entry).second, ErrorKind::kData, where, " is there twice");
  }
  return entries;
}

}  // namespace switchyard
