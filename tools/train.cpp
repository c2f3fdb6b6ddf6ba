// SPDX-License-Identifier: Apache-2.0
// switch-train: trains a Switch Transformer, or a T5, on parallel text.
#include "src/app/training/dry_run.h"
#include "src/app/training/session.h"
#include "src/backend/backend.h"
#include "src/core/error.h"
#include "src/core/version.h"
#include "tools/train_options.h"

namespace {

using namespace switchyard;

int train(int argc, char** argv) {
  TrainingOptions training;
  bool dump_config = false, dry = false;
  Options options(
      {.name = "switch-train",
       .usage = "--train-sets SRC TGT --model DIR [options]",
       .about = "trains a translation model; rerun the same command to resume",
       .essentials = {"train-sets", "valid-sets", "model", "preset", "after", "num-experts",
                      "threads", "dry-run"},
       .examples = {"switch-train -t corpus.en corpus.de -m en-de",
                    "switch-train -t corpus.en.gz corpus.de.gz -m en-de --preset tiny --after 30m"},
       .files = {{"config.json, model.safetensors, spiece.model",
                  "the best model so far, in Hugging Face's format, with a few small files"},
                 {"checkpoint-N",
                  "everything needed to resume from update N; also a model directory"},
                 {"best, last", "links to the best and the newest checkpoint"},
                 {"average",
                  "the mean of checkpoints (--average-last, --average-best), a model directory"},
                 {"train.log", "a copy of everything printed"},
                 {"metrics.jsonl",
                  "losses, expert loads, speed and validation scores, one JSON object per line"},
                 {"training_args.yml", "all settings of the run, for --config"}},
       .backend = backend_description});
  add_train_options(options, training);
  options.action("dump-config", dump_config, "print the effective options as YAML and exit");
  options.action("dry-run", dry, "print counts, memory, speed and time, and exit");
  if (!options.parse(argc, argv)) return 0;
  finish_train_options(options, training);
  if (dump_config) {
    write_stdout(training.settings);
    flush_stdout();
    return 0;
  }
  if (dry) {
    write_stdout(dry_run(training));
    flush_stdout();
    return 0;
  }
  check(!training.directory.empty(), ErrorKind::kUsage,
        "--model: missing, expected a directory; see --help");
  return run_training(training, "switch-train " + std::string(version()));
}

}  // namespace

int main(int argc, char** argv) {
  return switchyard::run_main("switch-train", [&] { return train(argc, argv); });
}
