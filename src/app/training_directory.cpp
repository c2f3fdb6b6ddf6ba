// SPDX-License-Identifier: Apache-2.0
#include "src/app/training_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>

#include "src/core/durable_file.h"
#include "src/core/error.h"

namespace switchyard {

namespace {

constexpr std::string_view kPrefix = "checkpoint-";
constexpr const char* kSettings = "training_args.yml";
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
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  check(fd >= 0, ErrorKind::kRuntime, file.string(), ": cannot open: ", std::strerror(errno));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    char pid[32] = {};
    const auto length = read(fd, pid, sizeof(pid) - 1);
    close(fd);
    fail(ErrorKind::kRuntime, path.string(), ": process ",
         length > 0 ? escaped(std::string_view(pid, static_cast<std::size_t>(length))) : "?",
         " is training in this folder");
  }
  const std::string pid = std::to_string(getpid());
  const bool written = ftruncate(fd, 0) == 0 && pwrite(fd, pid.data(), pid.size(), 0) > 0;
  if (!written) {
    close(fd);
    fail(ErrorKind::kRuntime, file.string(), ": cannot write: ", std::strerror(errno));
  }
  return fd;
}

}  // namespace

TrainingDirectory::TrainingDirectory(fs::path path, bool overwrite) : path_(std::move(path)) {
  std::error_code error;
  const bool made = fs::create_directories(path_, error);
  check(!error && fs::is_directory(path_), ErrorKind::kRuntime, path_.string(),
        ": cannot make this folder: ", error ? error.message() : "it is a file");
  // The lock is the first file a run makes: where it is, the folder is one of ours, even if that
  // run has not come to its settings yet.
  const bool ours =
      made || fs::is_empty(path_) || fs::exists(file(kLock)) || fs::exists(file(kSettings));
  check(ours || overwrite, ErrorKind::kUsage, path_.string(), ": has files but no ", kSettings,
        ", so it is no training folder; give another folder, or --overwrite");
  lock_ = take_lock(path_);
  remove_leftovers(path_);
}

TrainingDirectory::~TrainingDirectory() {
  if (lock_ >= 0) close(lock_);
}

fs::path TrainingDirectory::checkpoint(std::int64_t update) const {
  return path_ / (std::string(kPrefix) + std::to_string(update));
}

std::vector<std::int64_t> TrainingDirectory::checkpoints() const {
  std::vector<std::int64_t> updates;
  for (const auto& entry : fs::directory_iterator(path_)) {
    const std::int64_t update = update_of(entry.path().filename().string());
    if (update >= 0 && entry.is_directory() && !entry.is_symlink()) updates.push_back(update);
  }
  std::sort(updates.begin(), updates.end());
  return updates;
}

void TrainingDirectory::clear() {
  for (const std::int64_t update : checkpoints()) fs::remove_all(checkpoint(update));
  for (const char* name : {"best", "last", "metrics.jsonl", "train.log", kSettings})
    fs::remove(file(name));
  sync_folder(path_);
}

void TrainingDirectory::link_last(std::int64_t update) const {
  replace_symlink(file("last"), checkpoint(update).filename());
}

void TrainingDirectory::link_best(std::int64_t update) const {
  replace_symlink(file("best"), checkpoint(update).filename());
}

std::int64_t TrainingDirectory::best() const {
  std::error_code error;
  const fs::path target = fs::read_symlink(file("best"), error);
  return error ? -1 : update_of(target.filename().string());
}

void TrainingDirectory::prune(std::int64_t keep_last) const {
  std::vector<std::int64_t> updates = checkpoints();
  const std::int64_t kept = best();
  updates.resize(static_cast<std::size_t>(
      std::max<std::int64_t>(0, std::int64_t(updates.size()) - keep_last)));
  for (const std::int64_t update : updates) {
    if (update == kept) continue;
    // Renamed first: a folder that is half removed must not look like a checkpoint.
    const fs::path doomed = path_ / ("old.tmp-" + std::to_string(update));
    fs::rename(checkpoint(update), doomed);
    fs::remove_all(doomed);
  }
}

std::vector<std::string> changed_settings(const std::string& was, const std::string& now) {
  static const char* const kFree[] = {
      "after", "config",    "disp-first", "disp-freq", "dump-config", "early-stopping", "keep-last",
      "model", "no-reload", "overwrite",  "preset",    "quiet",       "threads"};
  const auto read = [](const std::string& text) {
    std::map<std::string, std::string> settings;
    for (const auto& entry : YAML::Load(text))
      settings[entry.first.as<std::string>()] = YAML::Dump(entry.second);
    for (const char* name : kFree) settings.erase(name);
    return settings;
  };
  try {
    const std::map<std::string, std::string> a = read(was), b = read(now);
    std::vector<std::string> changes;
    for (const auto& [name, text] : b) {
      const auto old = a.find(name);
      const std::string before = old == a.end() ? "not given" : old->second;
      if (before != text) changes.push_back("--" + name + ": was " + before + ", now " + text);
    }
    return changes;
  } catch (const YAML::Exception& e) {
    fail(ErrorKind::kData, kSettings, ": not a map of settings: ", e.what());
  }
}

}  // namespace switchyard
