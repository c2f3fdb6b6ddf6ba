// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/resume.h"

#include <yaml-cpp/yaml.h>

#include <map>
#include <system_error>

#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/file.h"
#include "src/core/log.h"

namespace switchyard {

namespace {

// Settings that do not affect what is computed, or only affect its bits (threads and workers).
constexpr const char* kMayChange[] = {"activation-checkpointing", "average-best", "average-last",
                                      "disp-first", "disp-freq", "early-stopping", "keep-last",
                                      "log-level", "model", "preset", "quiet", "threads", "workers",
                                      // Compared by content instead, in check_same_inputs().
                                      "train-sets", "valid-sets", "vocab"};

constexpr const char* kNotGiven = "not given";

using Settings = std::map<std::string, std::string>;

Settings read_settings(const std::string& yaml) {
  Settings settings;
  for (const auto& entry : YAML::Load(yaml))
    settings[entry.first.as<std::string>()] = YAML::Dump(entry.second);
  return settings;
}

void check_settings(const TrainingOptions& options) {
  const std::filesystem::path settings = options.directory / kSettingsFile;
  std::string list;
  for (const std::string& change :
       changed_settings(read_file(settings), options.settings, options.defaults))
    list += (list.empty() ? "" : "; ") + change;
  check(list.empty(), ErrorKind::kUsage, escaped(options.directory.native()),
        ": cannot resume, the settings differ (", list,
        "). To resume, leave these options out and ", "add -c ", escaped(settings.native()),
        "; or choose another directory; --overwrite would delete this run");
}

bool may_resume(const TrainingOptions& options) { return options.reload && !options.overwrite; }

}  // namespace

bool begin_or_resume(const TrainingOptions& options, TrainingDirectory& directory) {
  const bool resumes = may_resume(options) && !directory.checkpoints().empty();
  if (resumes) {
    check_settings(options);
  } else {
    const bool has_model = std::filesystem::exists(directory.file("model.safetensors"));
    check(!has_model || !may_resume(options), ErrorKind::kUsage, directory.path().string(),
          ": has a model but no checkpoint to resume from; choose another directory; --overwrite "
          "would delete this model");
    directory.clear();
    write_file_durably(directory.file(kSettingsFile), options.settings);
  }
  open_log_file(directory.file("train.log"));
  return resumes;
}

std::optional<TrainingState> state_to_resume(const TrainingOptions& options) {
  std::error_code none;
  if (!may_resume(options) || !std::filesystem::is_directory(options.directory, none) ||
      checkpoints_in(options.directory).empty())
    return {};
  check_settings(options);
  return load_state(newest_checkpoint(options.directory));
}

void check_same_inputs(const std::filesystem::path& directory, const TrainingState& saved,
                       const TrainingState& now) {
  std::string list;
  const auto compare = [&](std::uint64_t a, std::uint64_t b, const char* what) {
    if (a != b) list += (list.empty() ? "" : ", ") + std::string(what);
  };
  compare(saved.tokenizer_hash, now.tokenizer_hash, "the vocabulary");
  // Texts are compared as ids, which always differ with another vocabulary.
  if (list.empty()) {
    compare(saved.train_hash, now.train_hash, "the text of --train-sets");
    compare(saved.valid_hash, now.valid_hash, "the text of --valid-sets");
  }
  check(saved.compute_type == now.compute_type, ErrorKind::kUsage, escaped(directory.native()),
        ": trained in ", escaped(saved.compute_type), ", this machine's --compute-type auto is ",
        now.compute_type,
        "; resume where the first is computed natively, or choose another directory");
  check(list.empty(), ErrorKind::kData, escaped(directory.native()),
        ": not what this run was trained with: ", list,
        "; restore it, or choose another directory; --overwrite would delete this run");
}

std::int64_t batch_words(const TrainingOptions& options, const TrainingState& resumed) {
  return options.mini_batch_fit ? resumed.mini_batch_words : options.mini_batch_words;
}

void update_settings(const TrainingOptions& options, const TrainingDirectory& directory) {
  const std::filesystem::path file = directory.file(kSettingsFile);
  try {
    if (read_file(file) != options.settings) write_file_durably(file, options.settings);
  } catch (const Error& e) {
    log_warning(std::string("settings not updated: ") + e.what());
  }
}

std::vector<std::string> changed_settings(const std::string& was, const std::string& now,
                                          const std::string& defaults) {
  try {
    Settings before = read_settings(was), after = read_settings(now);
    for (const auto& [name, value] : before) after.try_emplace(name, kNotGiven);
    before.merge(read_settings(defaults));
    for (const char* name : kMayChange) after.erase(name);
    // A linear schedule's rates depend on the update at which it ends.
    const auto schedule = after.find("lr-schedule");
    if (schedule == after.end() || schedule->second != "linear") after.erase("after");
    std::vector<std::string> changes;
    for (const auto& [name, value] : after) {
      const auto old = before.find(name);
      const std::string shown = old == before.end() ? kNotGiven : old->second;
      if (shown != value) changes.push_back("--" + name + ": was " + shown + ", now " + value);
    }
    return changes;
  } catch (const YAML::Exception& e) {
    fail(ErrorKind::kData, kSettingsFile, ": not a map of settings: ", e.what());
  }
}

}  // namespace switchyard
