// SPDX-License-Identifier: Apache-2.0
// train_step: how fast does a model train? Batches of real text as in the preset, sorted by length
// in pools of 20 batches and cropped to 50 tokens; dropout off; optimizer included; three untimed
// warm-up steps. Source and target tokens are counted, eos included.
#include <algorithm>
#include <utility>

#include "bench/gemm_rate.h"
#include "bench/harness.h"
#include "src/app/training/data.h"
#include "src/core/error.h"
#include "src/core/log.h"
#include "src/nn/model.h"
#include "src/text/batcher.h"
#include "src/train/trainer.h"
#include "tools/train_options.h"

namespace {

using namespace switchyard;
using namespace switchyard::bench;

constexpr int kWarmUpSteps = 3;
constexpr double kRateSeconds = 3;  // to measure oneDNN's own rate, or --seconds if shorter

// Means over steps, which add up; `other` is the time between phases.
nlohmann::ordered_json phase_ms(const PhaseSeconds& total, double seconds, std::size_t steps) {
  nlohmann::ordered_json result;
  const double to_ms = 1e3 / static_cast<double>(steps);
  for (std::size_t i = 0; i < total.size(); ++i) {
    result[kPhaseNames[i]] = total[i] * to_ms;
    seconds -= total[i];
  }
  result["other"] = seconds * to_ms;
  return result;
}

int run(int argc, char** argv) {
  TrainingOptions o;
  o.preset = "seed-switch16";
  double seconds = 30;
  bool json = false;
  Options options({.name = "train_step",
                   .usage = "--train-sets SRC TGT [options]",
                   .about = "Measures training speed"});
  add_train_options(options, o);
  options.group("Bench");
  options.number("seconds", seconds, 0.1, 1e6, "time to measure for");
  options.flag("json", json, "the last line of stdout is one JSON object");
  if (!options.parse(argc, argv)) return 0;
  finish_train_options(options, o);
  set_log_level(LogLevel::kQuiet);
  o.max_length = 50;
  o.max_length_crop = true;
  o.config.dropout_rate = 0;

  const auto ctx = make_context({options.threads(), false, o.compute_type});
  const ParallelText text =
      o.tsv ? read_tsv(o.train_sets[0]) : read_parallel(o.train_sets[0], o.train_sets[1]);
  const Tokenizer tokenizer = make_vocabulary(text, o);
  CorpusOptions cropped;
  cropped.max_length = o.max_length;
  cropped.crop = true;
  const Corpus corpus = encode_corpus(tokenizer, text, cropped, options.threads(), "--train-sets");
  o.config.vocab_size = tokenizer.vocab_size();
  o.config.pad_token_id = o.config.decoder_start_token_id = tokenizer.pad_id();
  o.config.eos_token_id = tokenizer.eos_id();
  validate(o.config);

  Model model(o.config);
  const ParamBuffer params(*ctx, model.layout());
  initialise(*ctx, model, o.trainer.seed, o.init, params);
  model.bind(*ctx, params);
  Trainer trainer(*ctx, model, params, o.trainer);
  BatchOptions batching;
  batching.mini_batch_words = o.mini_batch_words;
  batching.mini_batch = o.mini_batch;
  batching.maxi_batch = 20;
  batching.seed = o.trainer.seed;
  Batcher batcher(corpus, batching);

  std::vector<double> step_ms;
  double total_seconds = 0, total_flops = 0;
  std::int64_t source_tokens = 0, target_tokens = 0;
  PhaseSeconds phases{};
  StepResult last;
  for (int step = 0; step < kWarmUpSteps || total_seconds < seconds; ++step) {
    std::vector<HostBatch> batches;
    for (std::int64_t i = 0; i < o.optimizer_delay; ++i) batches.push_back(batcher.next());
    const Stopwatch watch;
    last = trainer.step(std::move(batches));
    const double step_seconds = watch.seconds();
    if (step < kWarmUpSteps) continue;
    step_ms.push_back(step_seconds * 1e3);
    total_seconds += step_ms.back() / 1e3;
    total_flops += flops(training_matmuls(o.config, last.source_tokens, last.loss.target_tokens));
    source_tokens += last.source_tokens;
    target_tokens += last.loss.target_tokens;
    for (std::size_t i = 0; i < phases.size(); ++i) phases[i] += last.loss.seconds[i];
  }
  const std::int64_t peak = peak_bytes();

  // oneDNN's rate for the shapes of an average batch.
  const auto batches = static_cast<std::int64_t>(step_ms.size()) * o.optimizer_delay;
  const double rate =
      gemm_gflops(training_matmuls(o.config, source_tokens / batches, target_tokens / batches),
                  o.compute_type, 1, options.threads(), std::min(kRateSeconds, seconds));
  const double tokens = static_cast<double>(source_tokens + target_tokens);
  nlohmann::ordered_json result = {
      {"bench", "train_step"},
      {"machine", backend_description()},
      {"preset", o.preset},
      {"num_experts", o.config.num_experts},
      {"parameters", parameter_count(o.config)},
      {"threads", options.threads()},
      {"workers", o.trainer.workers},
      {"compute_type", name_of(o.compute_type)},
      {"steps", step_ms.size()},
      {"loss", last.loss.loss_sum / static_cast<double>(last.loss.target_tokens)},
      {"tokens_per_step", tokens / double(step_ms.size())},
      {"tokens_per_s", tokens / total_seconds},
      {"mfu", total_flops / total_seconds / (rate * 1e9)},
      {"gemm_gflops", rate},
      {"step_ms", quantile(step_ms, 0.5)},
      {"step_ms_p10", quantile(step_ms, 0.1)},
      {"step_ms_p90", quantile(step_ms, 0.9)},
      {"phase_ms", phase_ms(phases, total_seconds, step_ms.size())},
      {"peak_bytes", peak}};
  print_result(result, json);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return switchyard::run_main("train_step", [&] { return run(argc, argv); });
}
