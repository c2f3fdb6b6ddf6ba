// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/system_call.h"
#include "src/io/checkpoint.h"

namespace switchyard {

namespace {

constexpr std::string_view kPrefix = "checkpoint-";
constexpr const char* kLock = ".lock";

// N of "checkpoint-N"; -1 for any other name.
std::int64_t update_of(const std::string& name) {
  if (name.compare(0, kPrefix.size(), kPrefix) != 0) return -1;
  const char* begin = name.data() + kPrefix.size();
  const char* end = name.data() + name.size();
  std::int64_t update = -1;
  const auto [rest, error] = std::from_chars(begin, end, update);
  return error == std::errc{} && rest == end && update >= 0 ? update : -1;
}

// Opens and locks DIR/.lock, which holds the owner's process id.
int take_lock(const fs::path& path) {
  const fs::path file = path / kLock;
  Descriptor lock(retry([&] { return open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666); }));
  if (lock.get() < 0) fail_errno(file, "cannot open", errno);
  if (retry([&] { return flock(lock.get(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno != EWOULDBLOCK) fail_errno(file, "cannot lock", errno);
    char pid[32] = {};
    const auto length = retry([&] { return read(lock.get(), pid, sizeof(pid)); });
    fail(ErrorKind::kRuntime, escaped(path.native()), ": process ",
         length > 0 ? escaped(std::string_view(pid, static_cast<std::size_t>(length))) : "?",
         " is training in this directory");
  }
  const std::string pid = std::to_string(getpid());
  if (retry([&] { return ftruncate(lock.get(), 0); }) != 0 ||
      write_all(lock.get(), pid) < pid.size())
    fail_errno(file, "cannot write", errno);
  return lock.release();
}

// Returns true for a directory, false for a link to one.
bool is_real_directory(const fs::path& path) {
  std::error_code error;
  return fs::symlink_status(path, error).type() == fs::file_type::directory;
}

}  // namespace

fs::path checkpoint_in(const fs::path& directory, std::int64_t update) {
  return directory / (std::string(kPrefix) + std::to_string(update));
}

std::vector<std::int64_t> checkpoints_in(const fs::path& directory) {
  std::vector<std::int64_t> updates;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::int64_t update = update_of(entry->path().filename().string());
    if (update >= 0 && is_real_directory(checkpoint_in(directory, update)))
      updates.push_back(update);
  }
  check(!error, ErrorKind::kRuntime, escaped(directory.native()),
        ": cannot list: ", error.message());
  std::sort(updates.begin(), updates.end());
  return updates;
}

fs::path newest_checkpoint(const fs::path& directory) {
  std::vector<fs::path> checkpoints;
  for (const std::int64_t update : checkpoints_in(directory))
    checkpoints.push_back(checkpoint_in(directory, update));
  return newest_whole_checkpoint(checkpoints);
}

NewDirectories::NewDirectories(const fs::path& path) {
  std::error_code error;
  for (fs::path missing = fs::absolute(path);
       fs::status(missing, error).type() == fs::file_type::not_found;
       missing = missing.parent_path())
    made_.push_back(missing);
  fs::create_directories(path, error);
  check(!error && fs::is_directory(path), ErrorKind::kRuntime, path.string(),
        ": cannot create this directory: ", error ? error.message() : "it is a file");
}

void NewDirectories::keep() {
  for (const fs::path& directory : made_) sync_directory(directory.parent_path());
  made_.clear();
}

NewDirectories::~NewDirectories() {
  for (const fs::path& directory : made_) rmdir(directory.c_str());
}

TrainingDirectory::TrainingDirectory(fs::path path, bool overwrite)
    : path_(std::move(path)), made_(path_) {
  // The lock is the first file a run creates: a directory that has one belongs to a run, even if
  // that run has not written its settings yet.
  const bool ours = !made_.empty() || fs::is_empty(path_) || fs::exists(file(kLock)) ||
                    fs::exists(file(kSettingsFile));
  check(ours || overwrite, ErrorKind::kUsage, path_.string(),
        ": not a training directory: it has files but no ", kSettingsFile,
        "; choose another directory; --overwrite would delete any model in it");
  lock_ = take_lock(path_);
  remove_leftovers(path_);
}

TrainingDirectory::~TrainingDirectory() {
  if (lock_ < 0) return;
  // The files that a run writes before keep().
  if (!made_.empty())
    for (const char* name :
         {"metrics.jsonl", "spiece.model", "tokenizer.json", "tokenizer_config.json",
          "special_tokens_map.json", "train.log", kSettingsFile, kLock})
      unlink(file(name).c_str());
  close(lock_);
}

bool TrainingDirectory::has_checkpoint(std::int64_t update) const {
  return is_real_directory(checkpoint(update));
}

void TrainingDirectory::clear() {
  for (const std::int64_t update : checkpoints()) remove_directory(checkpoint(update));
  if (is_real_directory(file(kAverageDirectory))) remove_directory(file(kAverageDirectory));
  // config.json first: without it, no reader mistakes a half-deleted model for a whole one.
  for (const char* name :
       {"config.json", "model.safetensors", "generation_config.json", "tokenizer_config.json",
        "special_tokens_map.json", "best", "last", "metrics.jsonl", "train.log", kSettingsFile})
    fs::remove(file(name));
  sync_directory(path_);
}

std::int64_t TrainingDirectory::linked(const std::string& name) const {
  std::error_code error;
  const fs::path target = fs::read_symlink(file(name), error);
  const std::int64_t update = error ? -1 : update_of(target.native());
  return update >= 0 && has_checkpoint(update) ? update : -1;
}

void TrainingDirectory::link(const std::string& name, std::int64_t update) const {
  if (linked(name) != update) replace_symlink(file(name), checkpoint(update).filename());
}

void TrainingDirectory::prune(std::int64_t update, std::int64_t best,
                              std::int64_t keep_last) const {
  const std::vector<std::int64_t> updates = checkpoints();
  const auto end = std::upper_bound(updates.begin(), updates.end(), update);
  const std::int64_t linked_best = linked("best");
  for (auto it = updates.begin(); end - it > keep_last; ++it)
    if (*it != best && *it != linked_best) remove_directory(checkpoint(*it));
}

}  // namespace switchyard
