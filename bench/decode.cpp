// SPDX-License-Identifier: Apache-2.0
// decode: how fast does a model translate? Loading and tokenization are not timed. With
// --force-length every translation has exactly that many tokens (eos is suppressed), which makes
// models with random weights and other programs comparable. Translates the text once, or repeatedly
// for --seconds. With --copies, copies of the model take turns.
#include <algorithm>
#include <numeric>

#include "bench/decode_rates.h"
#include "bench/gemm_rate.h"
#include "bench/harness.h"
#include "bench/roofline.h"
#include "bench/rotation.h"
#include "src/app/text_translator.h"
#include "src/backend/backend.h"
#include "src/core/error.h"
#include "src/text/line_reader.h"
#include "tools/options.h"

namespace {

using namespace switchyard;
using namespace switchyard::bench;

// Time to measure the rates of matmuls and of reading, or --seconds if shorter.
constexpr double kMatmulSeconds = 3, kReadSeconds = 0.5;

struct DecodeOptions {
  std::filesystem::path model, input;
  std::int64_t n = 0;
  std::int64_t force_length = 0;
  double seconds = 0;
  int workers = 0;
  int copies = 1;
  DType compute_type = DType::f32;
  bool json = false;
  TranslatorOptions translator;

  double shortened(double rate_seconds) const {
    return seconds > 0 ? std::min(seconds, rate_seconds) : rate_seconds;
  }
};

struct Measured {
  std::int64_t passes = 0;
  TextSize text;  // of one pass
  double seconds = 0;
  DecodeTimes times;  // of all passes and workers
  std::int64_t peak_bytes = 0;
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

// Translates a batch per worker and copy, taken from the longest sentences.
template <class AnyTranslator>
void warm_up(AnyTranslator& translator, const std::vector<Ids>& sources, int copies) {
  const TranslatorOptions& options = translator.options();
  std::vector<const Ids*> longest;
  for (const Ids& ids : sources) longest.push_back(&ids);
  const auto end = longest.begin() +
                   std::min(std::ssize(longest), options.mini_batch * options.workers * copies);
  std::partial_sort(longest.begin(), end, longest.end(),
                    [](const Ids* a, const Ids* b) { return a->size() > b->size(); });
  std::vector<Ids> batch;
  for (auto ids = longest.begin(); ids != end; ++ids) batch.push_back(**ids);
  translator.translate(batch);
}

// Translates all sources at least once, and until --seconds have passed. Every pass has the same
// results.
template <class AnyTranslator>
Measured measure(AnyTranslator& translator, const std::vector<Ids>& sources,
                 const DecodeOptions& o) {
  warm_up(translator, sources, o.copies);
  translator.time_phases();
  Measured m;
  m.text.sentences = std::ssize(sources);
  for (const Ids& ids : sources) m.text.source_tokens += std::ssize(ids);
  for (const Stopwatch watch; m.passes == 0 || m.seconds < o.seconds; m.seconds = watch.seconds()) {
    const std::vector<NBest> found = translator.translate(sources);
    m.text.target_tokens = 0;
    for (const NBest& best : found) m.text.target_tokens += std::ssize(best.front().ids);
    ++m.passes;
  }
  m.times = translator.times();
  m.peak_bytes = peak_bytes();
  return m;
}

Measured run_models(const DecodeOptions& o, const std::vector<TextModel>& models,
                    const std::vector<Ids>& sources) {
  if (models.size() == 1) {
    Translator translator(models[0].model(), o.translator);
    return measure(translator, sources, o);
  }
  std::vector<const Model*> copies;
  for (const TextModel& model : models) copies.push_back(&model.model());
  Rotation rotation(copies, o.translator);
  return measure(rotation, sources, o);
}

// Mean milliseconds per batch, which add up to its latency; `other` is the time a worker was idle.
nlohmann::ordered_json phase_ms(const DecodeTimes& times, double batches, double latency_ms) {
  nlohmann::ordered_json result;
  double other = latency_ms;
  for (std::size_t i = 0; i < times.seconds.size(); ++i) {
    const double ms = times.seconds[i] * 1e3 / batches;
    result[kDecodePhaseNames[i]] = ms;
    other -= ms;
  }
  result["other"] = other;
  return result;
}

double step_seconds(const DecodeTimes& times) {
  const double all = std::accumulate(times.seconds.begin(), times.seconds.end(), 0.0);
  return (all - times.seconds[static_cast<std::size_t>(DecodePhase::encoder)]) /
         static_cast<double>(times.steps);
}

void report(const DecodeOptions& o, const Model& model, const Measured& m) {
  const TranslatorOptions& t = o.translator;
  const auto passes = static_cast<double>(m.passes);
  const Matmuls matmuls = translation_matmuls(model.config(), t, m.text);
  // Of oneDNN in float32, whatever the compute type: mfu can exceed 1 in bfloat16 and int8.
  const double rate =
      gemm_gflops(matmuls, DType::f32, t.workers, t.threads, o.shortened(kMatmulSeconds));

  const double batches =
      std::max(1.0, static_cast<double>(m.text.sentences) / static_cast<double>(t.mini_batch));
  const double busy_workers = std::min<double>(t.workers, batches);
  const double latency_ms = m.seconds * 1e3 / passes * busy_workers / batches;

  // At batch 1 a step is limited by reading the weights, which all workers share. Copies
  // are compared with one array as large as all of them.
  const double weight_bytes = step_weights(model.config(), rows_per_step(t, m.text)) *
                              static_cast<double>(size_bytes(o.compute_type));
  const double weight_rate = weight_bytes / step_seconds(m.times) * busy_workers * 1e-9;
  const auto ctx = make_context({t.threads, false});
  const double read_rate =
      shared_read_rate(*ctx, static_cast<std::int64_t>(weight_bytes) * o.copies,
                       {.workers = static_cast<int>(busy_workers),
                        .threads = t.threads,
                        .seconds = o.shortened(kReadSeconds)});
  print_result({{"bench", "decode"},
                {"machine", backend_description()},
                {"sentences", m.text.sentences},
                {"batch", t.mini_batch},
                {"beam", t.search.num_beams},
                {"workers", t.workers},
                {"threads", t.threads},
                {"compute_type", name_of(o.compute_type)},
                {"source_tokens", m.text.source_tokens},
                {"target_tokens", m.text.target_tokens},
                {"copies", o.copies},
                {"passes", m.passes},
                {"seconds", m.seconds},
                {"tokens_per_s", static_cast<double>(m.text.target_tokens) * passes / m.seconds},
                {"mfu", flops(matmuls) * passes / m.seconds / (rate * 1e9)},
                {"gemm_gflops", rate},
                {"latency_ms", latency_ms},  // mean, per batch
                {"phase_ms", phase_ms(m.times, batches * passes, latency_ms)},
                {"step_ms", step_seconds(m.times) * 1e3},  // mean
                {"weight_bytes_per_step", static_cast<std::int64_t>(weight_bytes)},
                {"weight_gb_per_s", weight_rate},
                {"read_gb_per_s", read_rate},
                {"of_read", weight_rate / read_rate},
                {"peak_bytes", m.peak_bytes}},
               o.json);
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
  options.number("seconds", o.seconds, 0, 1e6,
                 "translate the text until this time has passed; 0: once");
  options.number("batch", o.translator.mini_batch, 1, 65536,
                 "sentences that a worker translates at a time");
  options.number("beam", search.num_beams, 1, 1024, "beam size; 1: greedy");
  options.number("force-length", o.force_length, 0, 1 << 20,
                 "target tokens per line; 0: until eos");
  options.number("workers", o.workers, 0, 1024,
                 "workers, which share --threads; 0: one per thread");
  options.number(
      "copies", o.copies, 1, 1024,
      "number of copies of the model that one worker uses in turn, one step each, so that weights "
      "come from memory instead of a cache");
  options.choice("compute-type", o.compute_type,
                 {{"float32", DType::f32}, {"bfloat16", DType::bf16}, {"int8", DType::i8}},
                 "matmul precision");
  options.flag("json", o.json, "the last line of stdout is one JSON object");
  if (!options.parse(argc, argv)) return 0;
  check(!o.model.empty() && !o.input.empty(), ErrorKind::kUsage,
        "--model and --input: expected both");

  check(o.copies == 1 || o.workers <= 1, ErrorKind::kUsage, "--workers: found ", o.workers,
        ", expected 1 with --copies");

  std::vector<TextModel> models;
  for (int i = 0; i < o.copies; ++i)
    models.push_back(load_text_model(o.model, {o.compute_type, false}));
  o.translator.compute_type = o.compute_type;
  const TextModel& model = models[0];
  const std::vector<Ids> sources = read_sources(o, model.tokenizer);
  if (o.copies > 1) o.workers = 1;
  o.translator.workers =
      o.workers > 0 ? o.workers : backend_defaults(options.threads()).translation_workers;
  o.translator.threads = std::max(1, options.threads() / o.translator.workers);
  if (o.force_length > 0) {
    search.suppressed_id = model.tokenizer.eos_id();
    search.max_new_tokens = o.force_length;
  }
  report(o, model.model(), run_models(o, models, sources));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return switchyard::run_main("decode", [&] { return run(argc, argv); });
}
