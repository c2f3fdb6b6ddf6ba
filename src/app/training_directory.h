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

class TrainingDirectory {
 public:
  // Makes the folder where it is missing and locks it until destroyed. Error(kUsage) where it has
  // files but no training_args.yml (unless `overwrite`); Error(kRuntime) with the other's process
  // id where a trainer has it open. What a crash left half-written is removed.
  TrainingDirectory(std::filesystem::path path, bool overwrite);
  ~TrainingDirectory();
  TrainingDirectory(const TrainingDirectory&) = delete;
  TrainingDirectory& operator=(const TrainingDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path file(const std::string& name) const { return path_ / name; }
  std::filesystem::path checkpoint(std::int64_t update) const;

  // The updates of the whole checkpoints, oldest first.
  std::vector<std::int64_t> checkpoints() const;

  // Removes what an earlier run left: checkpoints, links, metrics, log, settings. Its best model
  // stays until a new one replaces it.
  void clear();

  void link_last(std::int64_t update) const;
  void link_best(std::int64_t update) const;
  // The checkpoint that `best` points to; -1: none.
  std::int64_t best() const;
  // Removes all checkpoints but the newest `keep_last` and the best.
  void prune(std::int64_t keep_last) const;

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

// What differs between two YAML maps of settings, one "option: was A, now B" each; options that
// have no part in what is computed (--after, --disp-freq, ...) are left out.
std::vector<std::string> changed_settings(const std::string& was, const std::string& now);

}  // namespace switchyard
