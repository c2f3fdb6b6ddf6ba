// SPDX-License-Identifier: Apache-2.0
// switch-translate: text in, text out, line by line.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <iomanip>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "src/app/figures.h"
#include "src/app/stop_signal.h"
#include "src/app/text_embedder.h"
#include "src/app/text_translator.h"
#include "src/app/vocabulary_warnings.h"
#include "src/backend/backend.h"
#include "src/core/error.h"
#include "src/core/log.h"
#include "src/core/version.h"
#include "src/text/line_reader.h"
#include "tools/embed_lines.h"
#include "tools/line_filler.h"
#include "tools/options.h"
#include "tools/prefix_reader.h"
#include "tools/search_flags.h"

namespace {

using namespace switchyard;
namespace fs = std::filesystem;

constexpr const char* kTool = "switch-translate";
// Also limits reading ahead, so that long lines do not fill the memory.
constexpr std::size_t kReadAheadBytes = std::size_t{8} << 20;
constexpr std::int64_t kWholeBeam = 0;

struct TranslateOptions {
  fs::path model, input = "-", output = "-";
  fs::path prefixes;  // of translations; empty: none
  TextTranslatorOptions text;
  SearchFlags search;
  std::int64_t n_best = kWholeBeam;
  bool list = false, scores = false;  // --n-best, --scores
  std::int64_t maxi_batch = 100;
  int workers = 0;
  std::optional<DType> compute_type;  // unset: chosen by load_text_model()
  std::optional<Embedding> embed;     // in place of translations
  bool fill = false;                  // in place of translations, lines with filled blanks
  bool hf_capacity = false, allow_nonfinite = false, stat = false;
};

void declare(Options& options, TranslateOptions& o) {
  o.search.search.num_beams = 5;
  options.group("Files");
  options.path(
      "model,m", o.model, "DIR",
      "a model directory, or a training directory, whose best checkpoint is used; DIR/last or "
      "DIR/checkpoint-300 selects another");
  options.path("input,i", o.input, "FILE", "one sentence per line; may be gzipped");
  options.alias("--src", "input");
  options.path("output,o", o.output, "FILE", "one line per input line; must not exist yet");
  options.alias("--out", "output");
  options.path(
      "prefix", o.prefixes, "FILE",
      "what each translation starts with, one line per input line, empty if anything; end it "
      "between words, as its tokens stay as they are. It counts towards --max-new-tokens, but not "
      "towards scores");
  options.alias("--target-prefix", "prefix");
  options.flag("allow-nonfinite", o.allow_nonfinite,
               "load a model even if some of its weights are not finite");
  o.search.declare(options);
  options.group("Model");
  options.flag("no-unk", o.text.no_unk, "never generate <unk> (printed as U+2047), as in Marian");
  options.choice(
      "compat", o.hf_capacity, {{"hf", true}},
      "hf: apply the model's expert_capacity in the encoder, as Hugging Face's generate() does");
  options.group("Input and output");
  options.text("source-prefix", o.text.source_prefix, "TEXT",
               "prepended to every line, as T5 models expect: 'translate English to German: '");
  options.flag("sentinels", o.text.sentinels,
               "<extra_id_0>, <extra_id_1> ... are T5's sentinels, in lines and in translations; "
               "otherwise they are text, and are left out");
  options.number("max-input-length", o.text.max_input_length, 2, 1 << 20,
                 "maximum tokens of an input line, end of sentence included");
  options.choice(
      "long-input", o.text.long_input,
      {{"crop", LongInput::kCrop}, {"split", LongInput::kSplit}, {"error", LongInput::kError}},
      "longer lines: crop loses the rest, split translates it in parts, error stops");
  options.choice("embed", o.embed, {{"mean", Embedding::kMean}, {"tokens", Embedding::kTokens}},
                 "write the encoder's states instead, after its final norm, in float32: each "
                 "line's mean to a .npy or .safetensors file, or those of its tokens, with "
                 "'offsets' of the lines, to a .safetensors file");
  options.flag("fill", o.fill,
               "fill the blanks of lines: print the line with <extra_id_0>, <extra_id_1> ... "
               "replaced by what the model generates for them; for models pretrained by span "
               "corruption, as T5");
  options.flag("strict", o.text.strict,
               "invalid UTF-8 is an error instead of being replaced by U+FFFD");
  options.flag_number(
      "n-best", o.n_best, kWholeBeam, 1, kMaxNumBeams,
      "print the K best translations, by default the whole beam: 'line ||| text ||| score'; with "
      "--do-sample, K samples");
  options.flag("scores", o.scores, "print 'text ||| score'");
  options.group("Speed");
  options.number("mini-batch", o.text.translator.mini_batch, 1, 65536,
                 "sentences that a worker translates at a time");
  options.number("maxi-batch", o.maxi_batch, 1, 65536,
                 "number of mini-batches to read ahead and sort by length");
  options.number("workers", o.workers, 0, 1024, "workers that share --threads; 0: one per thread");
  options.choice(
      "compute-type", o.compute_type,
      {{"auto", std::nullopt},
       {"float32", DType::f32},
       {"bfloat16", DType::bf16},
       {"int8", DType::i8}},
      "matmul precision; auto: the type of the model's prepared file, else float32; bfloat16 and "
      "int8 are faster, and translations may differ slightly");
  options.flag("stat", o.stat, "print statistics while translating, not only at the end");
}

CapacityOptions capacity_of(const TextModel& model, const TranslateOptions& o) {
  CapacityOptions capacity;
  if (o.hf_capacity) capacity.expert_capacity = model.model().config().expert_capacity;
  return capacity;
}

// Fills in options that were not given, from generation_config.json or else from our defaults.
void complete(const Options& options, const TextModel& model, TranslateOptions& o) {
  TranslatorOptions& translator = o.text.translator;
  SearchOptions& search = translator.search;
  o.search.complete(options, model.loaded.generation);
  search = o.search.search;

  o.list = options.given("n-best");
  search.scores = o.list || o.scores;
  if (!o.list)
    search.num_return_sequences = 1;
  else if (o.n_best != kWholeBeam)
    search.num_return_sequences = o.n_best;
  else
    search.num_return_sequences =
        model.loaded.generation.num_return_sequences.value_or(search.num_beams);
  check(search.samples_alone() || search.num_return_sequences <= search.num_beams,
        ErrorKind::kUsage, "--n-best=", search.num_return_sequences, " needs --beam-size ",
        search.num_return_sequences, " or more; it is ", search.num_beams);
  search.capacity = capacity_of(model, o);
  translator.workers =
      o.workers > 0 ? o.workers : backend_defaults(options.threads()).translation_workers;
  translator.threads = std::max(1, options.threads() / translator.workers);
}

// Never overwrites a file that is not empty.
void check_output(const fs::path& output, const fs::path& input) {
  const std::string name = escaped(output.string());
  std::error_code none;
  check(!fs::is_directory(output, none), ErrorKind::kUsage, name,
        ": is a directory, expected a file");
  check(!fs::equivalent(output, input == "-" ? "/dev/stdin" : input, none), ErrorKind::kUsage, name,
        ": is also the input");
  check(!fs::is_regular_file(output, none) || fs::file_size(output, none) == 0, ErrorKind::kUsage,
        name, ": already exists, expected a new file");
}

// Writes only whole lines, even when stopped: a signal that arrives while a line is being written
// takes effect after it. A second one takes effect at once, as nobody may be reading the line.
std::atomic<bool> writing = false;
std::atomic<int> pending_signal = 0;
std::atomic<std::int64_t> lines_written = 0;

// Calls only async-signal-safe functions.
[[noreturn]] void stop(int signal) {
  char number[24];
  const std::int64_t lines = lines_written;
  const char* end = std::to_chars(number, number + sizeof(number), lines).ptr;
  const char* name = signal == SIGINT ? "SIGINT" : signal == SIGTERM ? "SIGTERM" : "SIGHUP";
  for (const std::string_view part :
       {std::string_view(kTool), std::string_view(": stopped by "), std::string_view(name),
        std::string_view(" after "), std::string_view(number, end),
        std::string_view(lines == 1 ? " line\n" : " lines\n")})
    if (::write(STDERR_FILENO, part.data(), part.size()) < 0) break;
  _exit(128 + signal);
}

void stop_after_line(int signal) {
  if (!writing || pending_signal.exchange(signal) != 0) stop(signal);
}

void write_line(const std::string& text) {
  writing = true;
  write_stdout(text + "\n");  // stdout is line-buffered
  ++lines_written;
  writing = false;
  if (pending_signal != 0) stop(pending_signal);
}

std::string score_text(float score) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.6g", static_cast<double>(score));
  return text;
}

// Returns the output for line `number`, counted from 0, without the last newline.
std::string output_of(const Translations& translations, std::int64_t number,
                      const TranslateOptions& o) {
  const Translation& best = translations.front();
  if (!o.list) return o.scores ? best.text + " ||| " + score_text(best.score) : best.text;
  std::string text;
  for (const Translation& t : translations) {
    if (!text.empty()) text += '\n';
    text += std::to_string(number) + " ||| " + t.text + " ||| " + score_text(t.score);
  }
  return text;
}

std::string statistics(const TextTranslator::Counts& counts) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << counted(counts.lines, "line") << " : "
       << counted(counts.source_tokens, "source token") << " : "
       << counted(counts.target_tokens, "target token") << " : Time " << counts.seconds << "s : ";
  const double rate =
      counts.seconds > 0 ? static_cast<double>(counts.target_tokens) / counts.seconds : 0;
  text << with_commas(static_cast<std::int64_t>(rate + 0.5)) << " tokens/s";
  return text.str();
}

void warn_of_unknown_output(const TextTranslator::Counts& counts) {
  const double share =
      static_cast<double>(counts.unknown_target_tokens) / static_cast<double>(counts.target_tokens);
  if (share > kWarningShare)
    log_warning(percent(share) + " of " + with_commas(counts.target_tokens) +
                " target tokens are <unk>, printed as U+2047; --no-unk prevents it");
}

void translate_lines(LineReader& reader, const Tokenizer& tokenizer, TextTranslator& translator,
                     const TranslateOptions& o) {
  std::optional<PrefixReader> prefixes;
  if (!o.prefixes.empty()) prefixes.emplace(o.prefixes, o.text.target_prefixes, o.text.input);
  std::optional<LineFiller> filler;
  if (o.fill) filler.emplace(tokenizer);
  const auto most_lines = static_cast<std::size_t>(o.maxi_batch * o.text.translator.mini_batch);
  std::vector<std::string> lines;
  std::int64_t number = 0;
  std::size_t bytes = 0;
  std::string line;
  bool more = true;
  while (more) {
    more = reader.next(line);
    if (prefixes) prefixes->read_for(reader, more ? &line : nullptr);
    if (more) {
      bytes += line.size();
      lines.push_back(std::move(line));
      // If no more input is ready, its writer may be waiting for the translation.
      if (lines.size() < most_lines && bytes < kReadAheadBytes && reader.ready()) continue;
    }
    const bool reports = o.stat && !lines.empty();
    std::vector<std::string> sources = std::exchange(lines, {});
    if (filler) sources = filler->begin(std::move(sources));
    std::vector<Translations> results = translator.translate(
        std::move(sources), prefixes ? prefixes->take() : std::vector<std::string>());
    for (std::size_t i = 0; filler && i < results.size(); ++i) filler->fill(i, results[i]);
    for (const Translations& found : results) write_line(output_of(found, number++, o));
    flush_stdout();
    if (reports) log_info(statistics(translator.counts()));
    bytes = 0;
  }
  if (filler) filler->warn_of_blanks();
}

void log_start(const TextModel& model, const std::string& threads) {
  log_info(std::string(kTool) + " " + std::string(version()) + " (" + backend_description() + ", " +
           threads + ", " + name_of(model.compute_type) +
           (model.type_reason.empty() ? "" : " (" + model.type_reason + ")") + ") model " +
           escaped(model.directory.string()) + ": " +
           with_commas(parameter_count(model.model().config())) + " parameters, " +
           with_commas(active_parameter_count(model.model().config())) + " active/token");
}

void warn_of_lines(const SourceCounts& counts, LongInput long_input) {
  if (counts.long_lines > 0)
    log_warning(counted(counts.long_lines, "line") + " longer than --max-input-length: " +
                (long_input == LongInput::kSplit ? "split" : "cropped"));
  if (counts.replaced > 0)
    log_warning(counted(counts.replaced, "place") +
                " of invalid UTF-8 replaced by U+FFFD, the first in line " +
                std::to_string(counts.first_replaced_line));
}

// --embed, with the input open and `o` checked. Returns the exit code.
int embed(LineReader& reader, const TextModel& model, const TranslateOptions& o, int threads) {
  TextEmbedder embedder(model,
                        {.source = o.text, .threads = threads, .capacity = capacity_of(model, o)});
  log_start(model, counted(threads, "thread"));
  catch_stop_signals();
  defer_stop_signals();
  if (!embed_lines(reader, embedder, {o.output, *o.embed, model.model().config().d_model}))
    return 128 + stop_signal();
  embedder.warn_of_unknown_tokens();
  warn_of_lines(embedder.counts(), o.text.long_input);
  log_info(counted(embedder.counts().lines, "line") + " : " + counted(embedder.tokens(), "token"));
  return 0;
}

// Refuses combinations of options that cannot work, before anything is read.
void check_options(const Options& options, const TranslateOptions& o) {
  check(!o.model.empty(), ErrorKind::kUsage, "--model: missing, expected a directory; see --help");
  if (!o.prefixes.empty()) {
    check(
        o.text.long_input != LongInput::kSplit, ErrorKind::kUsage,
        "--prefix: a line translated in parts has no prefix; expected --long-input crop or error");
    check(o.prefixes != "-" || o.input != "-", ErrorKind::kUsage,
          "--prefix: stdin is also the input");
  }
  if (o.compute_type)
    check(computes_natively(*o.compute_type), ErrorKind::kUsage, "--compute-type ",
          name_of(*o.compute_type), ": ", backend_description(),
          " has no instructions for it; expected float32 or int8");
  check(!o.fill || o.text.long_input != LongInput::kSplit, ErrorKind::kUsage,
        "--fill: --long-input split, expected crop or error");
  if (!o.embed) return;
  check_embedding_output({o.output, *o.embed});
  check(o.text.long_input != LongInput::kSplit, ErrorKind::kUsage,
        "--embed: --long-input split, expected crop or error");
  check(!o.compute_type || *o.compute_type == DType::f32, ErrorKind::kUsage,
        "--embed: --compute-type ", name_of(o.compute_type.value_or(DType::f32)),
        ", expected float32");
  for (const char* unused :
       {"prefix", "fill", "n-best", "scores", "no-unk", "beam-size", "do-sample"})
    options.check_unused(unused, "--embed translates nothing");
}

int run(int argc, char** argv) {
  TranslateOptions o;
  Options options(
      {.name = kTool,
       .usage = "-m DIR [options] < TEXT > TRANSLATION",
       .about = "translates text line by line: one output line per input line, in order",
       .essentials = {"model", "input", "output", "beam-size", "n-best", "scores", "long-input",
                      "threads"},
       .examples = {"echo 'A dog runs.' | switch-translate -m en-de",
                    "switch-translate -m en-de -i news.en.gz -o news.de",
                    "switch-translate -m en-de --n-best=3 < text.en"},
       .files = {{"config.json, generation_config.json", "model sizes and search defaults"},
                 {"model.safetensors", "weights; or shards, or pytorch_model.bin"},
                 {"prepared-TYPE.bin", "packed weights, by switch-convert --prepare; optional"},
                 {"tokenizer.json, spiece.model",
                  "vocabulary, used as transformers 5 or SentencePiece does; the first one found"},
                 {"best, last, checkpoint-N",
                  "the models of a training directory, each selectable with -m"}},
       .backend = backend_description});
  declare(options, o);
  if (!options.parse(argc, argv)) return 0;
  check_options(options, o);

  LineReader reader(o.input);
  if (o.embed) o.compute_type = DType::f32;
  const TextModel model =
      load_text_model(o.model, {o.compute_type, o.allow_nonfinite, options.threads()});
  o.text.input = o.input == "-" ? "stdin" : escaped(o.input.string());
  if (o.output != "-") check_output(o.output, o.input);
  if (o.embed) return embed(reader, model, o, options.threads());
  if (o.fill) o.text.sentinels = true;
  o.text.translator.compute_type = model.compute_type;
  complete(options, model, o);
  if (!o.prefixes.empty())
    o.text.target_prefixes = o.prefixes == "-" ? "stdin" : escaped(o.prefixes.string());
  TextTranslator translator(model.model(), model.tokenizer, o.text);
  if (o.output != "-") redirect_stdout(o.output);
  std::setvbuf(stdout, nullptr, _IOLBF, std::size_t{1} << 16);
  on_stop_signals(stop_after_line);

  log_start(model, "workers " + std::to_string(o.text.translator.workers) + " x threads " +
                       std::to_string(o.text.translator.threads));
  translate_lines(reader, model.tokenizer, translator, o);

  translator.warn_of_unknown_tokens();
  const TextTranslator::Counts& counts = translator.counts();
  warn_of_unknown_output(counts);
  warn_of_lines(counts, o.text.long_input);
  // With --stat the last batch has already been reported.
  if (!o.stat || counts.lines == 0) log_info(statistics(counts));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main(kTool, [&] { return run(argc, argv); });
}
