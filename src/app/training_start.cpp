// SPDX-License-Identifier: Apache-2.0
#include "src/app/training_start.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <vector>

#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/file.h"
#include "src/core/log.h"
#include "src/io/checkpoint.h"

namespace switchyard {

namespace {

constexpr const char* kSettings = "training_args.yml";

// A run goes on only with what it was begun with: anything else would be neither run.
void check_settings(const TrainingOptions& options) {
  const std::filesystem::path settings = options.directory / kSettings;
  std::string list;
  for (const std::string& change :
       changed_settings(read_file(settings), options.settings, options.defaults))
    list += (list.empty() ? "" : "; ") + change;
  check(list.empty(), ErrorKind::kUsage, escaped(options.directory.native()),
        ": cannot resume, the settings differ (", list,
        "). To resume, leave these options out and ", "add -c ", escaped(settings.native()),
        "; or choose another folder; --overwrite would delete this run");
}

}  // namespace

TrainingStart::TrainingStart(const TrainingOptions& options)
    : directory(options.directory, options.overwrite),
      resuming(options.reload && !options.overwrite && !directory.checkpoints().empty()) {
  if (resuming) {
    check_settings(options);
  } else {
    const bool has_model = std::filesystem::exists(directory.file("model.safetensors"));
    check(
        !has_model || options.overwrite || !options.reload, ErrorKind::kUsage,
        directory.path().string(),
        ": has a model but no checkpoint to resume from; choose another folder; --overwrite would "
        "delete this model");
    directory.clear();
    write_file_durably(directory.file(kSettings), options.settings);
  }
  open_log_file(directory.file("train.log"));
}

std::optional<TrainingState> state_to_resume(const TrainingOptions& options) {
  std::error_code none;
  if (!options.reload || options.overwrite ||
      !std::filesystem::is_directory(options.directory, none))
    return {};
  const std::vector<std::int64_t> updates = checkpoints_in(options.directory);
  if (updates.empty()) return {};
  check_settings(options);
  std::vector<std::filesystem::path> folders;
  for (const std::int64_t update : updates)
    folders.push_back(checkpoint_in(options.directory, update));
  const std::filesystem::path newest = newest_whole_checkpoint(folders);
  return with_context(escaped(newest.native()),
                      [&] { return state_from_json(read_trainer_state(newest)); });
}

void TrainingStart::update_settings(const TrainingOptions& options) const {
  const std::filesystem::path file = directory.file(kSettings);
  try {
    if (read_file(file) != options.settings) write_file_durably(file, options.settings);
  } catch (const Error& e) {
    log_warning(std::string("settings not updated: ") + e.what());
  }
}

}  // namespace switchyard
