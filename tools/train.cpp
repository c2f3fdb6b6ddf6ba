// SPDX-License-Identifier: Apache-2.0
// switch-train: trains a Switch Transformer, or a T5, on parallel text.
#include "src/app/training_session.h"
#include "src/core/error.h"
#include "src/core/version.h"
#include "tools/train_options.h"

namespace {

using namespace switchyard;

int train(int argc, char** argv) {
  TrainingOptions training;
  TrainTexts texts;
  bool dump_config = false;
  Options options("switch-train", "--train-sets SRC TGT --model DIR [options]",
                  "Trains a translation model; the same command goes on where it stopped.");
  add_train_options(options, training, texts);
  options.flag("dump-config", dump_config, "print the effective options as YAML and exit");
  if (!options.parse(argc, argv)) return 0;
  apply_train_options(options, training, texts);
  if (dump_config) {
    write_stdout(training.settings);
    flush_stdout();
    return 0;
  }
  check(!training.directory.empty(), ErrorKind::kUsage,
        "--model: missing, expected a folder; see --help");
  return run_training(training, "switch-train " + std::string(version()));
}

}  // namespace

int main(int argc, char** argv) {
  return switchyard::run_main("switch-train", [&] { return train(argc, argv); });
}
