// SPDX-License-Identifier: Apache-2.0
// growth: how does training speed scale with one quantity at a time, and does it follow theory?
// Steps on random ids, dropout off, optimizer included. The theory extrapolates from the first
// point of a sweep and the times of its phases: time for FLOPs (all matmuls, including attention's)
// is proportional to their number and divided among the threads; time for bytes (of parameters,
// gradients and moments, each touched a fixed number of times per step) is proportional to the
// number of parameters. `of_law` is the measured speed over the predicted one; below 1, the program
// is slower than its work explains.
#include <algorithm>
#include <string>
#include <vector>

#include "bench/gemm_rate.h"
#include "bench/harness.h"
#include "src/core/parallel.h"
#include "src/core/rng.h"
#include "src/train/trainer.h"
#include "tools/options.h"

namespace {

using namespace switchyard;
using namespace switchyard::bench;

// The settings of one measurement; a sweep varies one and leaves the rest at their defaults.
struct Point {
  std::int64_t experts = 8;
  std::int64_t length = 16;  // of each source and each target
  std::int64_t batch = 64;   // sentences
  std::int64_t vocab = 8000;
  std::int64_t d_model = 256;  // d_ff is twice as wide, d_kv is 64
  std::int64_t threads = 1;
};

struct Sweep {
  std::string name;
  std::int64_t Point::*field;
  std::vector<std::int64_t> values;
  std::int64_t min = 1;
};

struct Measured {
  double tokens = 0, seconds = 0, ends_seconds = 0;  // per step
  double flops = 0, parameters = 0, threads = 1;
};

ModelConfig config_of(const Point& p) {
  ModelConfig c;
  c.vocab_size = p.vocab;
  c.d_model = p.d_model;
  c.d_ff = 2 * p.d_model;
  c.num_heads = std::max<std::int64_t>(1, p.d_model / c.d_kv);
  c.num_layers = c.num_decoder_layers = 2;
  c.num_experts = p.experts;
  c.encoder_sparse = c.decoder_sparse = {true, true};
  c.dropout_rate = c.router_jitter_noise = 0;
  validate(c);
  return c;
}

HostBatch random_batch(const Point& p, const ModelConfig& config) {
  Rng rng(1);
  HostBatch batch;
  for (std::int64_t i = 0; i < p.batch; ++i) {
    for (std::vector<Ids>* side : {&batch.source, &batch.target}) {
      Ids ids;
      while (static_cast<std::int64_t>(ids.size()) + 1 < p.length)
        ids.push_back(static_cast<std::int32_t>(
            2 + rng.below(static_cast<std::uint64_t>(config.vocab_size) - 2)));
      ids.push_back(static_cast<std::int32_t>(config.eos_token_id));
      side->push_back(std::move(ids));
    }
    batch.sentence.push_back(static_cast<std::uint32_t>(i));
  }
  return batch;
}

// Forward: queries by keys and probabilities by values. Backward: the scores, recomputed, and four
// more matmuls. Causal self-attention in the decoder needs half as many FLOPs.
double attention_flops(const Point& p, const ModelConfig& config) {
  const double layers =
      static_cast<double>(config.num_layers) + 1.5 * static_cast<double>(config.num_decoder_layers);
  return layers * 7 * 2 * static_cast<double>(p.batch * p.length * p.length * config.inner_dim());
}

Measured measure(const Point& p, DType type, double seconds) {
  const ModelConfig config = config_of(p);
  const HostBatch batch = random_batch(p, config);
  const auto ctx = make_context({static_cast<int>(p.threads), false, type});
  Model model(config);
  const ParamBuffer params(*ctx, model.layout());
  initialise(*ctx, model, 1, {}, params);
  model.bind(*ctx, params);
  Trainer trainer(*ctx, model, params, {});

  Measured result;
  result.tokens = static_cast<double>(batch.source_tokens() + batch.target_tokens());
  result.flops = flops(training_matmuls(config, batch.source_tokens(), batch.target_tokens())) +
                 attention_flops(p, config);
  result.parameters = static_cast<double>(parameter_count(config));
  result.threads = static_cast<double>(p.threads);
  std::vector<double> steps, ends;
  trainer.step({batch});  // to warm up
  for (const Stopwatch all; steps.size() < 2 || all.seconds() < seconds;) {
    const Stopwatch watch;
    const PhaseSeconds phase = trainer.step({batch}).loss.seconds;
    steps.push_back(watch.seconds());
    ends.push_back(0);
    for (const Phase end : {Phase::norm, Phase::update})
      ends.back() += phase[static_cast<std::size_t>(end)];
  }
  result.seconds = quantile(steps, 0.5);
  result.ends_seconds = quantile(ends, 0.5);
  return result;
}

// The predicted time of a step, in seconds.
struct Cost {
  double flops = 0, bytes = 0;
  double total() const { return flops + bytes; }
};

// The prediction for `x` from the measurement `first` at another point. The end phases of a step
// touch 36 bytes per parameter: the norm 4, AdamW 28, clearing the gradient 4. The pass touches 16
// at the same speed: weights are read in forward and for dx, gradients are read and written.
Cost law(const Measured& first, const Measured& x) {
  constexpr double kEndsBytes = 36, kPassBytes = 16;
  const double in_pass = first.ends_seconds * kPassBytes / kEndsBytes;
  const double flops = first.seconds - first.ends_seconds - in_pass;
  return {std::max(0.0, flops) * (x.flops / x.threads) / (first.flops / first.threads),
          (first.ends_seconds + in_pass) * x.parameters / first.parameters};
}

int run(int argc, char** argv) {
  Point base;
  std::vector<std::string> chosen;
  std::string compute_type = "float32";
  double seconds = 1;
  bool json = false;
  Options options({.name = "growth",
                   .usage = "[options]",
                   .about = "Measures how training speed scales with size"});
  std::vector<Sweep> sweeps = {
      {"experts", &Point::experts, {1, 2, 4, 8, 16, 32, 64, 128}},
      {"length", &Point::length, {8, 16, 32, 64, 128, 256}},
      {"batch", &Point::batch, {256, 64, 16, 4, 1}},
      {"vocab", &Point::vocab, {8000, 32000, 64000, 128000}, 3},
      {"d-model", &Point::d_model, {64, 128, 256, 512, 1024}},
      {"threads", &Point::threads, {}},
  };
  for (std::int64_t t = 1; t < default_threads(); t *= 2) sweeps.back().values.push_back(t);
  sweeps.back().values.push_back(default_threads());
  std::vector<std::string> names;
  for (const Sweep& sweep : sweeps) names.push_back(sweep.name);
  chosen = names;

  options.group("Bench");
  options.choices("sweep", chosen, names, "quantities to vary, one at a time");
  for (Sweep& sweep : sweeps)
    if (sweep.field != &Point::threads)
      options.numbers(sweep.name, sweep.values, sweep.min, 1 << 20, "values in its sweep");
  options.numbers("sweep-threads", sweeps.back().values, 1, 1024,
                  "values of --threads in its sweep");
  options.choice("compute-type", compute_type, {"float32", "bfloat16"}, "matmul precision");
  options.number("seconds", seconds, 0.01, 1e3, "time to measure each point for");
  options.flag("json", json, "the last line of stdout is one JSON object");
  if (!options.parse(argc, argv)) return 0;
  base.threads = options.threads();
  const DType type = compute_type == "bfloat16" ? DType::bf16 : DType::f32;

  Table table({{"bench", "growth"},
               {"machine", backend_description()},
               {"threads", base.threads},
               {"compute_type", compute_type}},
              json);
  for (const Sweep& sweep : sweeps) {
    if (std::find(chosen.begin(), chosen.end(), sweep.name) == chosen.end()) continue;
    Measured first;
    for (const std::int64_t value : sweep.values) {
      Point point = base;
      point.*sweep.field = value;
      const Measured x = measure(point, type, seconds);
      if (value == sweep.values[0]) first = x;
      const double speed = x.tokens / x.seconds;
      const Cost cost = law(first, x);
      const double expected = x.tokens / cost.total();
      table.add({{"sweep", sweep.name},
                 {"value", value},
                 {"step_ms", x.seconds * 1e3},
                 {"ends_ms", x.ends_seconds * 1e3},
                 {"mflop_per_token", x.flops / x.tokens * 1e-6},
                 {"parameters", x.parameters},
                 {"tokens_per_s", speed},
                 {"law", expected},
                 {"law_from_bytes", cost.bytes / cost.total()},
                 {"of_law", speed / expected}});
    }
  }
  table.finish();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return switchyard::run_main("growth", [&] { return run(argc, argv); });
}
