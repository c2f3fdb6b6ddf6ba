// SPDX-License-Identifier: Apache-2.0
// switch-convert: prepares a model for translation.
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "src/backend/backend.h"
#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/log.h"
#include "src/io/hf.h"
#include "src/io/prepared_model.h"
#include "src/io/weight_files.h"
#include "tools/options.h"

namespace {

using namespace switchyard;
namespace fs = std::filesystem;

constexpr const char* kTool = "switch-convert";

struct ConvertOptions {
  std::vector<fs::path> model;
  fs::path output;
  bool prepare = false, verify = false;
  DType compute_type = DType::i8;
};

void declare(Options& options, ConvertOptions& o) {
  options.group("Files");
  options.paths("model,m", o.model, "DIR", "a model directory; -m may be omitted",
                {.min = 1, .max = 1});
  options.positional("model");
  options.path("output,o", o.output, "DIR",
               "copy the model to this new directory and write there, not into the model");
  options.group("Conversion");
  options.flag("prepare", o.prepare,
               "write prepared-TYPE.bin: weights packed for this machine's instruction set, which "
               "switch-translate maps: a faster start, shared memory");
  options.choice("compute-type", o.compute_type,
                 {{"int8", DType::i8}, {"bfloat16", DType::bf16}, {"float32", DType::f32}},
                 "type of the prepared weights, which switch-translate then uses by default");
  options.flag("verify", o.verify, "check all checksums of prepared files");
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

// Copies what translation needs and what comes with it, if it is there.
void copy_model(const fs::path& from, const fs::path& to) {
  std::vector<fs::path> files = open_weights(from)->files();
  for (const char* name : {"config.json", "generation_config.json", "spiece.model",
                           "tokenizer_config.json", "special_tokens_map.json"})
    if (is_there(from / name)) files.push_back(from / name);
  for (const fs::path& file : files) copy_file_durably(file, to / file.filename());
}

void prepare(const ConvertOptions& o, int threads) {
  const fs::path& directory = o.model.front();
  const auto ctx = make_context({threads, true, o.compute_type});
  fs::path written;
  if (o.output.empty()) {
    written = write_prepared_model(*ctx, directory);
  } else {
    check(!is_there(o.output), ErrorKind::kUsage, "--output ", escaped(o.output.native()),
          ": already exists, expected a new directory");
    write_directory_durably(o.output, [&](const fs::path& temporary) {
      copy_model(directory, temporary);
      written = o.output / write_prepared_model(*ctx, temporary).filename();
    });
  }
  log_info(escaped(written.native()) + ": " + std::to_string(fs::file_size(written)) +
           " bytes, layout " + verify_prepared_file(written) + " (" + backend_description() + ")");
}

void verify(const fs::path& directory) {
  int found = 0;
  for (const DType type : {DType::f32, DType::bf16, DType::i8}) {
    const fs::path path = directory / prepared_name(type);
    if (!is_there(path)) continue;
    ++found;
    const std::string layouts = verify_prepared_file(path);
    write_stdout(escaped(path.native()) + ": " +
                 (layouts.empty() ? "of another version, not checked" : "good, layout " + layouts) +
                 "\n");
  }
  check(found > 0, ErrorKind::kData, escaped(directory.native()),
        ": no prepared file, expected one that --prepare has written");
}

int run(int argc, char** argv) {
  ConvertOptions o;
  Options options({.name = kTool,
                   .usage = "DIR --prepare [options]",
                   .about = "prepares a model for fast translation",
                   .essentials = {"model", "prepare", "compute-type", "output", "verify"},
                   .examples = {"switch-convert en-de --prepare",
                                "switch-convert en-de --prepare --compute-type float32",
                                "switch-convert en-de --prepare -o en-de-int8"},
                   .files = {{"config.json", "model sizes"},
                             {"model.safetensors", "weights; or shards, or pytorch_model.bin"},
                             {"prepared-TYPE.bin", "the prepared weights"}},
                   .backend = backend_description});
  declare(options, o);
  if (!options.parse(argc, argv)) return 0;
  check(!o.model.empty(), ErrorKind::kUsage, "--model: missing, expected a directory; see --help");
  check(o.prepare || o.verify, ErrorKind::kUsage, "nothing to do, expected --prepare or --verify");
  if (!o.prepare)
    for (const char* name : {"output", "compute-type"})
      options.check_unused(name, "it is for --prepare");
  if (o.prepare) prepare(o, options.threads());
  if (o.verify) verify(o.output.empty() ? o.model.front() : o.output);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(kTool, [&] { return run(argc, argv); });
}
