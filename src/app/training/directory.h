// SPDX-License-Identifier: Apache-2.0
// The folder of a training run: whose it is, who has it open, which checkpoints it holds.
//   config.json, model.safetensors, spiece.model ...   the best model so far
//   checkpoint-N/     everything to go on from update N; best and last are links to two of them
//   training_args.yml, metrics.jsonl, train.log        settings, figures, what was printed
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

// The file of a training folder that has the settings of its run.
inline constexpr const char* kSettingsFile = "training_args.yml";
// The model folder that --average-last and --average-best write.
inline constexpr const char* kAverageFolder = "average";

// The updates of the checkpoints in a training folder, oldest first. Error(kRuntime) if it
// cannot be listed.
std::vector<std::int64_t> checkpoints_in(const std::filesystem::path& folder);
std::filesystem::path checkpoint_in(const std::filesystem::path& folder, std::int64_t update);
// The newest undamaged checkpoint, or an empty path if there are no checkpoints. Warns of damaged
// ones. Error(kData) if all are damaged.
std::filesystem::path newest_checkpoint(const std::filesystem::path& folder);

class TrainingDirectory {
 public:
  // Makes the folder where it is missing and locks it until destroyed. Error(kUsage) where it has
  // files but no training_args.yml (unless `overwrite`); Error(kRuntime) with the other's process
  // id where a trainer has it open. What a crash left half-written is removed. Nothing is left of a
  // folder made here unless it comes to keep().
  TrainingDirectory(std::filesystem::path path, bool overwrite);
  ~TrainingDirectory();
  TrainingDirectory(const TrainingDirectory&) = delete;
  TrainingDirectory& operator=(const TrainingDirectory&) = delete;

  // The run has begun: its directory stays, durably. Error(kRuntime).
  void keep() { made_.keep(); }

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }
  std::filesystem::path checkpoint(std::int64_t update) const {
    return checkpoint_in(path_, update);
  }
  std::vector<std::int64_t> checkpoints() const { return checkpoints_in(path_); }
  bool has_checkpoint(std::int64_t update) const;

  // Removes what an earlier run left: checkpoints, links, model, metrics, log, settings; not the
  // vocabulary, which --vocab may name.
  void clear();

  // The links `last` and `best`: the update of the checkpoint that one points to, -1 where it
  // points to none; pointing it elsewhere.
  std::int64_t linked(const std::string& name) const;
  void link(const std::string& name, std::int64_t update) const;

  // Removes all checkpoints up to `update` but the newest `keep_last` of them, `best` and what the
  // link `best` points to. Later ones are damaged: the run will come to replace them.
  void prune(std::int64_t update, std::int64_t best, std::int64_t keep_last) const;

 private:
  std::filesystem::path path_;
  NewDirectories made_;
  int lock_ = -1;
};

}  // namespace switchyard
