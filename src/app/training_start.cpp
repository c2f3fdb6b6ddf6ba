// SPDX-License-Identifier: Apache-2.0
#include "src/app/training_start.h"

#include <filesystem>
#include <string>

#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/file.h"
#include "src/core/log.h"

namespace switchyard {

namespace {

// A run goes on only with what it was begun with: anything else would be neither run.
void check_settings(const TrainingDirectory& directory, const TrainingOptions& options) {
  std::string list;
  for (const std::string& change : changed_settings(read_file(directory.file("training_args.yml")),
                                                    options.settings, options.defaults))
    list += (list.empty() ? "" : "; ") + change;
  check(list.empty(), ErrorKind::kUsage, directory.path().string(),
        ": cannot go on with other options (", list,
        "); give the same, another folder, or --overwrite to start anew");
}

}  // namespace

TrainingStart::TrainingStart(const TrainingOptions& options)
    : directory(options.directory, options.overwrite),
      resuming(options.reload && !options.overwrite && !directory.checkpoints().empty()) {
  if (resuming) {
    check_settings(directory, options);
  } else {
    const bool has_model = std::filesystem::exists(directory.file("model.safetensors"));
    check(!has_model || options.overwrite || !options.reload, ErrorKind::kUsage,
          directory.path().string(),
          ": has a model but no checkpoint to go on from; give another folder, or --overwrite");
    directory.clear();
    write_file_durably(directory.file("training_args.yml"), options.settings);
  }
  open_log_file(directory.file("train.log"));
}

}  // namespace switchyard
