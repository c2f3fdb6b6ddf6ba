// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/start.h"

#include <filesystem>
#include <string>
#include <system_error>

#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/file.h"
#include "src/core/log.h"

namespace switchyard {

namespace {

// A run goes on only with what it was begun with: anything else would be neither run.
void check_settings(const TrainingOptions& options) {
  const std::filesystem::path settings = options.directory / kSettingsFile;
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
    write_file_durably(directory.file(kSettingsFile), options.settings);
  }
  open_log_file(directory.file("train.log"));
}

std::optional<TrainingState> state_to_resume(const TrainingOptions& options) {
  std::error_code none;
  if (!options.reload || options.overwrite ||
      !std::filesystem::is_directory(options.directory, none))
    return {};
  if (checkpoints_in(options.directory).empty()) return {};
  check_settings(options);
  return load_state(newest_checkpoint(options.directory));
}

void TrainingStart::update_settings(const TrainingOptions& options) const {
  const std::filesystem::path file = directory.file(kSettingsFile);
  try {
    if (read_file(file) != options.settings) write_file_durably(file, options.settings);
  } catch (const Error& e) {
    log_warning(std::string("settings not updated: ") + e.what());
  }
}

}  // namespace switchyard
