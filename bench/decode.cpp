// SPDX-License-Identifier: Apache-2.0
// decode: how fast does a model translate? Loading and tokenization are not timed. With
// --force-length every translation has exactly that many tokens (eos is suppressed), which makes
// models with random weights and other programs comparable.
#include <algorithm>

#include "bench/gemm_rate.h"
#include "bench/harness.h"
#include "src/app/text_translator.h"
#include "src/backend/backend.h"
#include "src/core/error.h"
#include "src/text/line_reader.h"
#include "tools/options.h"

namespace {

using namespace switchyard;
using namespace switchyard::bench;

constexpr double kRateSeconds = 3;  // to measure oneDNN's own rate

struct DecodeOptions {
  std::filesystem::path model, input;
  std::int64_t n = 0;
  std::int64_t force_length = 0;
  int workers = 0;
  DType compute_type = DType::f32;
  bool json = false;
  TranslatorOptions translator;
};

std::vector<Ids> read_sources(const DecodeOptions& o, const Tokenizer& tokenizer) {
  std::vector<Ids> sources;
  LineReader reader(o.input);
  for (std::string line; reader.next(line);) {
    if (o.n > 0 && static_cast<std::int64_t>(sources.size()) == o.n) break;
    Ids ids = tokenizer.encode(line);
    if (ids.size() > 1) sources.push_back(std::move(ids));  // blank lines need no model
  }
  check(!sources.empty(), ErrorKind::kData, o.input.string(), ": no line with text");
  return sources;
}

// All matmuls of the input, in the shapes of full batches. A step has a row for each hypothesis;
// without a forced length, all hypotheses are taken to be as long as the best ones.
Matmuls matmuls_of(const ModelConfig& config, const TranslatorOptions& options,
                   std::int64_t sentences, std::int64_t source_tokens, std::int64_t target_tokens) {
  const std::int64_t batch = std::min(options.mini_batch, sentences);
  const double batches = static_cast<double>(sentences) / static_cast<double>(batch);
  const std::int64_t rows = batch * options.search.num_beams;
  const double steps = static_cast<double>(target_tokens) / static_cast<double>(batch);
  const auto batch_tokens =
      static_cast<std::int64_t>(static_cast<double>(source_tokens) / batches + 0.5);
  Matmuls all = encoder_matmuls(config, batch_tokens) + cross_key_matmuls(config, batch_tokens);
  for (Matmul& x : all) x.count *= batches;
  Matmuls step = decoder_matmuls(config, rows);
  for (Matmul& x : step) x.count *= steps;
  return all + step;
}

int run(int argc, char** argv) {
  DecodeOptions o;
  SearchOptions& search = o.translator.search;
  Options options({.name = "decode",
                   .usage = "--model DIR --input FILE [options]",
                   .about = "Measures translation speed"});
  options.group("Bench");
  options.path("model", o.model, "DIR", "model directory");
  options.path("input", o.input, "FILE", "source text, one sentence per line");
  options.number("n", o.n, 0, std::int64_t{1} << 40, "number of lines to use; 0: all");
  options.number("batch", o.translator.mini_batch, 1, 65536,
                 "sentences that a worker translates at a time");
  options.number("beam", search.num_beams, 1, 1024, "beam size; 1: greedy");
  options.number("force-length", o.force_length, 0, 1 << 20,
                 "target tokens per line; 0: until eos");
  options.number("workers", o.workers, 0, 1024,
                 "workers, which share --threads; 0: one per thread");
  options.choice("compute-type", o.compute_type, {{"float32", DType::f32}, {"int8", DType::i8}},
                 "matmul precision");
  options.flag("json", o.json, "the last line of stdout is one JSON object");
  if (!options.parse(argc, argv)) return 0;
  check(!o.model.empty() && !o.input.empty(), ErrorKind::kUsage,
        "--model and --input: expected both");

  const TextModel model = load_text_model(o.model, {o.compute_type, false});
  o.translator.compute_type = o.compute_type;
  const std::vector<Ids> sources = read_sources(o, model.tokenizer);
  o.translator.workers =
      o.workers > 0 ? o.workers : backend_defaults(options.threads()).translation_workers;
  o.translator.threads = std::max(1, options.threads() / o.translator.workers);
  if (o.force_length > 0) {
    search.suppressed_id = model.tokenizer.eos_id();
    search.max_new_tokens = o.force_length;
  }
  Translator translator(model.model(), o.translator);

  // Warm up with a batch per worker, taken from the longest sentences.
  std::vector<Ids> first = sources;
  std::sort(first.begin(), first.end(),
            [](const Ids& a, const Ids& b) { return a.size() > b.size(); });
  first.resize(std::min(first.size(), static_cast<std::size_t>(o.translator.mini_batch) *
                                          static_cast<std::size_t>(o.translator.workers)));
  translator.translate(first);

  const Stopwatch watch;
  const std::vector<NBest> found = translator.translate(sources);
  const double seconds = watch.seconds();
  const std::int64_t peak = peak_bytes();

  std::int64_t source_tokens = 0, target_tokens = 0;
  for (const Ids& ids : sources) source_tokens += static_cast<std::int64_t>(ids.size());
  for (const NBest& best : found)
    target_tokens += static_cast<std::int64_t>(best.front().ids.size());
  const auto sentences = static_cast<std::int64_t>(sources.size());
  const Matmuls matmuls =
      matmuls_of(model.model().config(), o.translator, sentences, source_tokens, target_tokens);
  const double rate =
      gemm_gflops(matmuls, DType::f32, o.translator.workers, o.translator.threads, kRateSeconds);
  const double batches =
      std::max(1.0, static_cast<double>(sentences) / static_cast<double>(o.translator.mini_batch));
  const double latency_ms =
      seconds * 1e3 * std::min<double>(o.translator.workers, batches) / batches;
  nlohmann::ordered_json result = {{"bench", "decode"},
                                   {"machine", backend_description()},
                                   {"sentences", sentences},
                                   {"batch", o.translator.mini_batch},
                                   {"beam", search.num_beams},
                                   {"workers", o.translator.workers},
                                   {"threads", o.translator.threads},
                                   {"compute_type", name_of(o.compute_type)},
                                   {"source_tokens", source_tokens},
                                   {"target_tokens", target_tokens},
                                   {"seconds", seconds},
                                   {"tokens_per_s", static_cast<double>(target_tokens) / seconds},
                                   {"mfu", flops(matmuls) / seconds / (rate * 1e9)},
                                   {"gemm_gflops", rate},
                                   {"latency_ms", latency_ms},  // mean, per batch
                                   {"peak_bytes", peak}};
  print_result(result, o.json);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return switchyard::run_main("decode", [&] { return run(argc, argv); });
}
