// SPDX-License-Identifier: Apache-2.0
#include "src/core/mapped_file.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>

#include "src/core/error.h"
#include "src/core/file.h"
#include "src/core/system_call.h"

namespace switchyard {

namespace {

// What a signal handler may read: a program has few mapped files, and a file beyond the table only
// lacks its name in the message.
struct Slot {
  std::atomic<bool> taken = false;
  std::atomic<std::uintptr_t> begin = 0, end = 0;
  std::atomic<const char*> path = nullptr;
};
std::array<Slot, 16> slots;

std::size_t take_slot(const std::byte* data, std::size_t size, const char* path) {
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].taken.exchange(true)) continue;
    slots[i].begin = reinterpret_cast<std::uintptr_t>(data);
    slots[i].path = path;
    slots[i].end = reinterpret_cast<std::uintptr_t>(data) + size;
    return i;
  }
  return slots.size();
}

void free_slot(std::size_t i) {
  if (i == slots.size()) return;
  slots[i].end = 0;
  slots[i].begin = 0;
  slots[i].path = nullptr;
  slots[i].taken = false;
}

}  // namespace

const char* mapped_file_at(const void* address) {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  for (const Slot& slot : slots)
    if (at >= slot.begin && at < slot.end) return slot.path;
  return nullptr;
}

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  Descriptor file(open_regular(path));
  const FileState state = state_of(file.get(), path);
  size_ = state.size_bytes;
  modified_ns_ = state.modified_ns;
  if (size_ > 0) {
    void* const data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (data == MAP_FAILED) fail_errno(path, "cannot map", errno);
    data_ = static_cast<const std::byte*>(data);
  }
  fd_ = file.release();
  slot_ = take_slot(data_, size_, path_.c_str());
}

MappedFile::~MappedFile() {
  free_slot(slot_);
  if (size_ > 0) ::munmap(const_cast<std::byte*>(data_), size_);
  ::close(fd_);
}

void MappedFile::check_unchanged() const {
  const FileState now = state_of(fd_, path_);
  if (now.size_bytes != size_)
    fail(ErrorKind::kData, escaped(path_.native()), ": changed while in use: ", now.size_bytes,
         " bytes, expected ", size_);
  check(now.modified_ns == modified_ns_, ErrorKind::kData, escaped(path_.native()),
        ": changed while in use: it was written to");
}

}  // namespace switchyard
