// SPDX-License-Identifier: Apache-2.0
// The directory of a training run: who uses it, and which checkpoints it holds.
//   config.json, model.safetensors, spiece.model ...   the best model so far
//   checkpoint-N/                                      everything needed to resume from update N
//   best, last                                         links to two of the checkpoints
//   training_args.yml, metrics.jsonl, train.log        settings, metrics, log
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace switchyard {

// Creates the missing directories of a path. They are removed again if empty, unless keep() is
// called. Error(kRuntime) if one cannot be created.
class NewDirectories {
 public:
  explicit NewDirectories(const std::filesystem::path& path);
  ~NewDirectories();
  NewDirectories(const NewDirectories&) = delete;
  NewDirectories& operator=(const NewDirectories&) = delete;

  bool empty() const { return made_.empty(); }
  // Makes the new directories durable. Error(kRuntime) if that fails.
  void keep();

 private:
  std::vector<std::filesystem::path> made_;  // the deepest first
};

// The settings of the run.
inline constexpr const char* kSettingsFile = "training_args.yml";
// The model directory that --average-last and --average-best write.
inline constexpr const char* kAverageDirectory = "average";

// The updates of the checkpoints in a training directory, oldest first. Error(kRuntime) if it
// cannot be listed.
std::vector<std::int64_t> checkpoints_in(const std::filesystem::path& directory);
std::filesystem::path checkpoint_in(const std::filesystem::path& directory, std::int64_t update);
// The newest undamaged checkpoint, or an empty path if there are no checkpoints. Warns of damaged
// ones. Error(kData) if all are damaged.
std::filesystem::path newest_checkpoint(const std::filesystem::path& directory);

class TrainingDirectory {
 public:
  // Creates the directory if it is missing, locks it until destroyed, and removes what a crash left
  // half-written. Error(kUsage) if it has files but no training_args.yml (unless `overwrite`);
  // Error(kRuntime) with the process id if another process is training in it. A directory created
  // here is removed again unless keep() is called.
  TrainingDirectory(std::filesystem::path path, bool overwrite);
  ~TrainingDirectory();
  TrainingDirectory(const TrainingDirectory&) = delete;
  TrainingDirectory& operator=(const TrainingDirectory&) = delete;

  // Call once the run has begun: makes its directory permanent and durable. Error(kRuntime).
  void keep() { made_.keep(); }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }
  std::filesystem::path checkpoint(std::int64_t update) const {
    return checkpoint_in(path_, update);
  }
  std::vector<std::int64_t> checkpoints() const { return checkpoints_in(path_); }
  bool has_checkpoint(std::int64_t update) const;

  // Removes what an earlier run left (checkpoints, links, model, metrics, log, settings) except the
  // vocabulary, which --vocab may name.
  void clear();

  // The update of the checkpoint that a link (`last` or `best`) points to; -1 if there is none.
  std::int64_t linked(const std::string& name) const;
  // Points the link at the checkpoint of `update`. Error(kRuntime).
  void link(const std::string& name, std::int64_t update) const;

  // Removes the checkpoints up to `update` except the newest `keep_last`, `best`, and the one that
  // the link `best` points to. Later ones are damaged; the run will replace them.
  void prune(std::int64_t update, std::int64_t best, std::int64_t keep_last) const;

 private:
  std::filesystem::path path_;
  NewDirectories made_;
  int lock_ = -1;
};

}  // namespace switchyard
