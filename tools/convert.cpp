// SPDX-License-Identifier: Apache-2.0
// switch-convert: rewrites a model in Hugging Face's format, prepares one for translation, or says
// what it is.
#include <charconv>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "src/app/logit_check.h"
#include "src/app/model_info.h"
#include "src/app/stop_signal.h"
#include "src/app/text_translator.h"
#include "src/backend/backend.h"
#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/json.h"
#include "src/core/log.h"
#include "src/io/conversion.h"
#include "src/io/hf.h"
#include "src/io/prepared_model.h"
#include "src/io/t5x.h"
#include "src/io/t5x_config.h"
#include "src/text/tokenizer.h"
#include "tools/options.h"

namespace {

using namespace switchyard;
namespace fs = std::filesystem;

constexpr const char* kTool = "switch-convert";

struct ConvertOptions {
  std::vector<fs::path> model;
  fs::path output;
  bool info = false, prepare = false, verify = false;
  DType compute_type = DType::i8;
  ConversionOptions conversion;
  fs::path gin_file, config_file, vocab;  // what a T5X checkpoint does not hold
  std::int64_t num_experts = 0;
};

// "10GB", "500MiB", or a number of bytes.
std::size_t parse_size(const std::string& option, const std::string& text) {
  constexpr std::pair<std::string_view, std::size_t> kUnits[] = {{"", 1},
                                                                 {"KB", 1000},
                                                                 {"MB", 1000'000},
                                                                 {"GB", 1000'000'000},
                                                                 {"KiB", 1 << 10},
                                                                 {"MiB", 1 << 20},
                                                                 {"GiB", std::size_t{1} << 30}};
  std::size_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  for (const auto& [unit, factor] : kUnits)
    if (error == std::errc{} && number > 0 && number <= SIZE_MAX / 2 / factor &&
        std::string_view(rest, end) == unit)
      return number * factor;
  fail(ErrorKind::kUsage, "--", option, ": '", escaped(text),
       "', expected a size such as 500MB, 10GB or 2GiB");
}

void declare(Options& options, ConvertOptions& o) {
  options.group("Files");
  options.paths("model,m", o.model, "DIR", "a model directory; -m may be omitted",
                {.min = 1, .max = 1});
  options.positional("model");
  options.path("output,o", o.output, "DIR", "write to this new directory, as safetensors");
  options.group("Conversion");
  options.choice("dtype", o.conversion.type,
                 {{"unchanged", StoredType::unchanged},
                  {"float32", StoredType::f32},
                  {"bfloat16", StoredType::bf16},
                  {"float16", StoredType::f16}},
                 "type of the weights, except routers");
  options.parsed("max-shard-size", o.conversion.max_shard_bytes, parse_size, "10GB", "SIZE",
                 "most bytes of weights per file: 500MB, 10GB, 2GiB");
  options.flag("info", o.info, "print what the model is");
  options.flag("verify", o.verify, "compare the logits of both models, or check prepared files");
  options.group("T5X checkpoints");
  options.path("gin-file", o.gin_file, "FILE",
               "config.gin, which T5X writes next to its checkpoints: the activation function");
  options.path("config-file", o.config_file, "FILE",
               "instead of --gin-file: the config.json of a model of the same kind");
  options.path("vocab", o.vocab, "FILE", "the vocabulary: spiece.model or tokenizer.json");
  options.number("num-experts", o.num_experts, 0, 65536,
                 "number of experts, to check; 0: as in the checkpoint");
  options.group("Preparation");
  options.flag("prepare", o.prepare,
               "write prepared-TYPE.bin, which switch-translate maps: weights packed for this "
               "machine, a faster start, shared memory");
  options.choice("compute-type", o.compute_type,
                 {{"int8", DType::i8}, {"bfloat16", DType::bf16}, {"float32", DType::f32}},
                 "type of the prepared weights");
}

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

fs::path prepare(const fs::path& directory, DType compute_type, int threads) {
  const auto ctx = make_context({threads, true, compute_type});
  return write_prepared_model(*ctx, directory);
}

void report_prepared(const fs::path& written) {
  log_info(escaped(written.native()) + ": " + std::to_string(fs::file_size(written)) +
           " bytes, layout " + verify_prepared_file(written) + " (" + backend_description() + ")");
}

struct Stopped {};

void stop_if_signalled() {
  if (stop_signal() != 0) throw Stopped();
}

void copy_vocabulary(const fs::path& from, const fs::path& to) {
  bool found = false;
  for (const char* name : {"spiece.model", "tokenizer.json", "tokenizer_config.json",
                           "special_tokens_map.json", "added_tokens.json"}) {
    if (!is_there(from / name)) continue;
    copy_file_durably(from / name, to / name);
    found = found || std::string_view(name) == "spiece.model" ||
            std::string_view(name) == "tokenizer.json";
  }
  if (!found)
    log_warning(escaped(from.native()) +
                ": no spiece.model or tokenizer.json; the written model has no vocabulary");
}

// The vocabulary of a T5X checkpoint, whose last ids, sentinels and padding, are not in the file.
void copy_t5x_vocabulary(const ConvertOptions& o, const ModelConfig& config, const fs::path& to) {
  const Tokenizer tokenizer = Tokenizer::load(o.vocab);
  check_tokenizer(tokenizer, config, escaped(o.vocab.native()));
  copy_file_durably(o.vocab,
                    to / (o.vocab.extension() == ".json" ? "tokenizer.json" : "spiece.model"));
}

bool reads_t5x(const fs::path& directory) {
  return is_t5x(directory) && !is_there(directory / "config.json");
}

ModelToConvert open_t5x_for_conversion(const ConvertOptions& o) {
  const std::string name = escaped(o.model.front().native());
  check(!o.gin_file.empty() || !o.config_file.empty(), ErrorKind::kUsage, name,
        ": a T5X checkpoint does not say which activation function it uses, expected --gin-file or "
        "--config-file");
  check(o.gin_file.empty() || o.config_file.empty(), ErrorKind::kUsage,
        "--gin-file and --config-file: both given, expected one");
  check(o.output.empty() || !o.vocab.empty(), ErrorKind::kUsage, name,
        ": a T5X checkpoint has no vocabulary, expected --vocab");
  std::unique_ptr<TensorSource> checkpoint = open_t5x(o.model.front());
  const bool from_gin = !o.gin_file.empty();
  const fs::path& settings = from_gin ? o.gin_file : o.config_file;
  nlohmann::json config = t5x_config(
      from_gin ? config_from_gin(settings) : read_json_object(settings), settings, *checkpoint);
  const std::int64_t found = config.value("num_experts", std::int64_t{1});
  check(o.num_experts == 0 || o.num_experts == found, ErrorKind::kData, name, ": ", found,
        " experts, expected ", o.num_experts, " from --num-experts");
  return open_for_conversion(std::move(checkpoint), std::move(config), settings);
}

ModelToConvert open_model(const ConvertOptions& o) {
  return reads_t5x(o.model.front()) ? open_t5x_for_conversion(o)
                                    : open_for_conversion(o.model.front());
}

// Converts, then verifies and prepares what was written. The directory appears under its name only
// if all of it worked.
void convert(const ConvertOptions& o, ModelToConvert model, int threads) {
  check(!is_there(o.output), ErrorKind::kUsage, "--output ", escaped(o.output.native()),
        ": already exists, expected a new directory");
  std::string verified;
  fs::path prepared;
  write_directory_durably(o.output, [&](const fs::path& directory) {
    if (reads_t5x(o.model.front()))
      copy_t5x_vocabulary(o, model.files.model->config(), directory);
    else
      copy_vocabulary(o.model.front(), directory);
    const bool unchanged = write_converted(model, directory, o.conversion);
    if (o.verify)
      verified =
          compare_logits(*make_context({threads}), std::move(model.files), directory, unchanged);
    stop_if_signalled();
    if (o.prepare) prepared = prepare(directory, o.compute_type, threads).filename();
    stop_if_signalled();
  });
  log_info(escaped(o.output.native()) + ": written");
  if (o.verify) log_info(escaped(o.output.native()) + ": " + verified);
  if (o.prepare) report_prepared(o.output / prepared);
}

void verify_prepared(const fs::path& directory) {
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

void check_options(const Options& options, const ConvertOptions& o) {
  check(!o.model.empty(), ErrorKind::kUsage, "--model: missing, expected a directory; see --help");
  check(!o.output.empty() || o.info || o.prepare || o.verify, ErrorKind::kUsage,
        "nothing to do, expected --output, --info, --prepare or --verify");
  if (!o.prepare) options.check_unused("compute-type", "it is for --prepare");
  if (o.output.empty())
    for (const char* name : {"dtype", "max-shard-size"})
      options.check_unused(name, "it is for --output");
  if (!reads_t5x(o.model.front()))
    for (const char* name : {"gin-file", "config-file", "vocab", "num-experts"})
      options.check_unused(name, "it is for T5X checkpoints");
  check(!is_temporary(o.model.front()), ErrorKind::kData, escaped(o.model.front().native()),
        ": incomplete, whatever was writing this directory did not finish");
}

int run(int argc, char** argv) {
  ConvertOptions o;
  Options options(
      {.name = kTool,
       .usage = "DIR [-o DIR] [options]",
       .about = "rewrites a model in Hugging Face's format, or prepares one for fast "
                "translation",
       .essentials = {"model", "output", "dtype", "info", "verify", "prepare", "compute-type"},
       .examples = {"switch-convert switch-base-8 -o base-8-bf16 --dtype bfloat16 --verify",
                    "switch-convert t5x --gin-file config.gin --vocab spiece.model -o base-8",
                    "switch-convert en-de --prepare", "switch-convert en-de --info"},
       .files = {{"config.json", "model sizes"},
                 {"model.safetensors", "weights; or shards, or pytorch_model.bin"},
                 {"checkpoint", "T5X: parameters, or the names of their files"},
                 {"prepared-TYPE.bin", "the prepared weights"}},
       .backend = backend_description});
  declare(options, o);
  if (!options.parse(argc, argv)) return 0;
  check_options(options, o);
  const fs::path& directory = o.model.front();
  if (o.info || !o.output.empty()) {
    ModelToConvert model = open_model(o);
    if (o.info) write_stdout(model_info(model.files));
    if (!o.output.empty()) {
      o.conversion.before_tensor = stop_if_signalled;
      catch_stop_signals();
      defer_stop_signals();
      try {
        convert(o, std::move(model), options.threads());
      } catch (const Stopped&) {
        return 128 + stop_signal();
      }
      return 0;
    }
  }
  if (o.prepare) report_prepared(prepare(directory, o.compute_type, options.threads()));
  if (o.verify) verify_prepared(directory);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(kTool, [&] { return run(argc, argv); });
}
