// SPDX-License-Identifier: Apache-2.0
#include "tools/train_options.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <string>

#include "src/app/presets.h"
#include "src/backend/backend.h"
#include "src/core/error.h"
#include "tools/periods.h"

namespace switchyard {

namespace {

constexpr std::int64_t kMostSize = 1 << 20;

// What a pretrained model determines.
constexpr const char* kOfPretrained[] = {"vocab",
                                         "vocab-size",
                                         "normalization",
                                         "preset",
                                         "d-model",
                                         "d-ff",
                                         "d-kv",
                                         "num-heads",
                                         "num-layers",
                                         "num-decoder-layers",
                                         "num-experts",
                                         "num-sparse-encoder-layers",
                                         "num-sparse-decoder-layers",
                                         "router-bias",
                                         "expert-capacity",
                                         "tie-word-embeddings",
                                         "init",
                                         "embedding-std"};

// In a run's settings, the empty text stands for a value that is not given.
template <class T, class Parse>
auto unless_empty(T not_given, Parse parse) {
  return [=](const std::string& option, const std::string& text) {
    return text.empty() ? not_given : T(parse(option, text));
  };
}

void add_data(Options& options, TrainingOptions& o) {
  options.group("Data");
  options.paths("train-sets,t", o.train_sets, "SRC TGT", "training text, one sentence per line",
                {1, 2});
  options.paths("valid-sets", o.valid_sets, "SRC TGT",
                "validation text; by default a tenth of the pairs (at most 1,000, drawn by --seed) "
                "is held out",
                {1, 2});
  options.flag("tsv", o.tsv, "each set is one file of SRC <tab> TGT lines");
  options.number("max-length", o.max_length, 2, 1 << 16,
                 "maximum length of a sentence in tokens, end of sentence included");
  options.flag("max-length-crop", o.max_length_crop,
               "crop longer sentences instead of skipping them");
  options.flag("strict", o.strict, "invalid UTF-8 is an error instead of being replaced by U+FFFD");
  options.text("source-prefix", o.source_prefix, "TEXT",
               "prepended to every source line; give switch-translate the same one");
  options.path("vocab,v", o.vocab, "FILE",
               "SentencePiece model, or T5's tokenizer.json; by default one is trained");
  options.number("vocab-size", o.vocab_size, 16, 1'000'000,
                 "maximum size of the trained vocabulary");
  options.choice("normalization", o.normalization,
                 {"nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"},
                 "how the trained vocabulary normalizes text: nfkc is Unicode's NFKC, nmt_ also "
                 "removes control characters, _cf also folds case; identity: not at all");
}

void add_model(Options& options, TrainingOptions& o) {
  ModelConfig& c = o.config;
  options.group("Model");
  options.path("model,m", o.directory, "DIR",
               "directory for the model, train.log, metrics.jsonl, best, last and checkpoint-N");
  options.path(
      "pretrained-model", o.pretrained_model, "DIR",
      "start from this model, in Hugging Face's format: its weights, sizes and vocabulary");
  options.preset("preset", o.preset, preset_names(), preset_text,
                 "defaults for options that are not given");
  options.number("d-model", c.d_model, 1, kMostSize, "width of the model");
  options.number("d-ff", c.d_ff, 1, kMostSize, "width of a feed-forward layer or expert");
  options.number("d-kv", c.d_kv, 1, kMostSize, "width of an attention head");
  options.number("num-heads", c.num_heads, 1, 1024, "number of attention heads");
  options.number("num-layers", c.num_layers, 1, 1024, "number of encoder blocks");
  options.number("num-decoder-layers", c.num_decoder_layers, 1, 1024, "number of decoder blocks");
  options.number("num-experts", c.num_experts, 1, 65536, "experts per sparse layer");
  options.number("num-sparse-encoder-layers", o.num_sparse_encoder_layers, 0, 1024,
                 "number of encoder blocks with experts, evenly spaced: 2 of 4 means "
                 "every second block");
  options.number("num-sparse-decoder-layers", o.num_sparse_decoder_layers, 0, 1024,
                 "number of decoder blocks with experts, evenly spaced");
  options.flag("router-bias", c.router_bias, "routers have a bias");
  options.number("router-jitter-noise", c.router_jitter_noise, 0.0f, 0.99f,
                 "noise on the routers' input during training");
  options.number("router-z-loss-coef", c.router_z_loss_coef, 0.0f, 1e3f, "weight of the z-loss");
  options.number("router-aux-loss-coef", c.router_aux_loss_coef, 0.0f, 1e3f,
                 "weight of the load-balance loss");
  options.number("capacity-factor", o.trainer.capacity.capacity_factor, 0.0f, 1e6f,
                 "drop tokens beyond this multiple of an expert's even share; 0: drop none");
  options.choice("compat", o.hf_capacity, {{"none", false}, {"hf", true}},
                 "hf: drop tokens by Hugging Face's rule, beyond --expert-capacity per sentence");
  options.number("expert-capacity", c.expert_capacity, 1, kMostSize,
                 "tokens an expert accepts per sentence, with --compat hf");
  options.flag(
      "tie-word-embeddings", c.tie_word_embeddings,
      "the head shares the embedding's weights, Hugging Face's default; =false: separate weights");
  options.number("dropout", c.dropout_rate, 0.0f, 0.99f, "dropout rate");
  options.number("expert-dropout", o.trainer.expert_dropout, 0.0f, 0.99f,
                 "dropout rate inside experts; default: --dropout");
  options.choice("init", o.init.hf, {{"paper", false}, {"hf", true}},
                 "initialization: the Switch paper's or Hugging Face's");
  options.number(
      "embedding-std", o.init.embedding_std, 1e-3f, 10.0f,
      "standard deviation of the paper's initial embeddings; smaller values suit small corpora");
}

void add_optimizer(Options& options, TrainingOptions& o) {
  TrainerOptions& t = o.trainer;
  options.group("Optimizer");
  options.choice("optimizer", t.optimizer,
                 {{"adamw", OptimizerKind::adamw}, {"adafactor", OptimizerKind::adafactor}},
                 "adafactor: no momentum, stores one row and one column per matrix");
  AdamWOptions& adamw = t.adamw;
  options.numbers("optimizer-params", {&adamw.beta1, &adamw.beta2, &adamw.eps, &adamw.weight_decay},
                  0, 1, "for AdamW: beta1 beta2 epsilon and, optionally, weight decay", 3);
  options.parsed_list<std::string>(
      "freeze", o.freeze, [](const std::string&, const std::string& text) { return text; },
      "PATTERN...", "do not update tensors whose Hugging Face names match: 'encoder.*'");
  options.number("learn-rate,l", t.schedule.peak, 0.0, 1e6, "peak learning rate");
  options.parsed("lr-warmup", t.schedule.warmup, parse_updates,
                 std::to_string(t.schedule.warmup) + "u", "N",
                 "updates of linear warm-up to the peak");
  options.choice("lr-schedule", t.schedule.decay,
                 {{"inv-sqrt", Schedule::kInverseSqrt},
                  {"linear", Schedule::kLinear},
                  {"constant", Schedule::kConstant}},
                 "decay after the warm-up; linear reaches 0 at --after");
  options.parsed("lr-decay-inv-sqrt", t.schedule.decay_start,
                 unless_empty(std::optional<std::int64_t>(), parse_updates), "", "N",
                 "inv-sqrt: update at which the decay starts; default: --lr-warmup");
  options.number("label-smoothing", t.label_smoothing, 0.0f, 0.99f, "label smoothing");
  options.number("clip-norm", t.clip_norm, 0.0f, 1e6f, "clip the gradient norm to this; 0: off");
  options.number(
      "exponential-smoothing", t.exponential_smoothing, 0.0f, 1.0f,
      "validate and save an exponential moving average with this weight for each update; 0: off");
  options.choice(
      "compute-type", o.compute_type,
      {{"auto", o.compute_type}, {"float32", DType::f32}, {"bfloat16", DType::bf16}},
      "matmul precision; auto: bfloat16 if the machine computes it natively (AVX512_BF16, AMX)");
}

void add_batches_and_run(Options& options, TrainingOptions& o) {
  options.group("Batches");
  options.number("mini-batch-words", o.mini_batch_words, 0, 1 << 24,
                 "tokens per batch, on its longer side; 0: use --mini-batch");
  options.number("mini-batch", o.mini_batch, 0, 1 << 20,
                 "maximum sentences per batch; 0: use --mini-batch-words");
  options.flag("mini-batch-fit", o.mini_batch_fit,
               "instead of --mini-batch-words, as many tokens per batch as fit into --workspace");
  options.number("workspace,w", o.workspace_mb, 0, 1 << 24,
                 "MB for forward and backward of a batch, with --mini-batch-fit; 0: "
                 "half of the available memory");
  options.flag("activation-checkpointing", o.trainer.activation_checkpointing,
               "keep only each block's input and recompute the rest in backward: less memory, more "
               "time, identical results");
  options.number("optimizer-delay", o.optimizer_delay, 1, 1 << 16,
                 "number of batches whose gradients are accumulated per update");
  options.number(
      "workers", o.trainer.workers, 0, 1024,
      "workers that share each batch and --threads, each with its own gradient (4 bytes per "
      "parameter); 0: up to 4");
  options.group("Run");
  options.parsed(
      "after", o.after, parse_stop_rule, spelled(o.after), "LIMIT",
      "when to stop, counted from the start of the run, resumed parts included: 10e "
      "(epochs), 50Ku (updates), 1Gt (target tokens), 60s, 30m or 2h (training time); with "
      "commas, whichever comes first");
  options.parsed("disp-freq", o.disp_freq, parse_frequency, spelled(o.disp_freq), "FREQ",
                 "how often to print progress: 100u, 1e");
  options.number("disp-first", o.disp_first, 0, 1'000'000'000,
                 "also print progress for the first N updates");
  options.parsed("valid-freq", o.valid_freq, parse_frequency, spelled(o.valid_freq), "FREQ",
                 "how often to validate");
  options.parsed("save-freq", o.save_freq, unless_empty(Frequency(), parse_frequency), "", "FREQ",
                 "how often to save a checkpoint; default: --valid-freq");
  options.choices("valid-metrics", o.valid_metrics, {"bleu", "chrf", "ce-mean-words"},
                  "the first one selects the best model, ce-mean-words breaks ties");
  options.choice("valid-tokenize", o.valid_tokenize, {"13a", "intl", "zh", "char", "none"},
                 "tokenizer for validation BLEU; zh or char for languages without spaces");
  options.number("early-stopping", o.early_stopping, 0, 1'000'000'000,
                 "stop after N validations without improvement; 0: never");
  options.number("keep-last", o.keep_last, 1, 1'000'000'000,
                 "number of checkpoints to keep besides the best");
  options.number("average-last", o.average_last, 0, 1000,
                 "at the end, write the mean of the last N checkpoints to "
                 "DIR/average, a model directory; 0: off");
  options.number("average-best", o.average_best, 0, 1000,
                 "like --average-last, but the N best of the checkpoints kept (--keep-last)");
  options.number("beam-size,b", o.beam_size, 1, 64, "beam size for validation");
  options.number("seed", o.trainer.seed, 0, std::numeric_limits<std::uint64_t>::max(),
                 "the same seed and settings give the same model, with the same "
                 "number of threads and workers");
  options.action(
      "overwrite", o.overwrite,
      "delete the run in the directory, checkpoints and model included, and start over (Marian's "
      "option of this name deletes nothing)");
  options.action("no-reload", o.reload, "like --overwrite, but only in a training directory");

  options.alias("--lr", "learn-rate");
  options.alias("--max-tokens", "mini-batch-words");
  options.alias("--update-freq", "optimizer-delay");
  options.alias("--accum-count", "optimizer-delay");
  options.alias("--vocabs", "vocab");
  options.alias("--dim-vocabs", "vocab-size");
  options.alias("--keep-checkpoint", "keep-last");
  options.alias("--save-total-limit", "keep-last");
}

// An option that has no effect is an error on the command line; a config file may list everything.
void check_all_used(const Options& options, const TrainingOptions& o) {
  if (!o.pretrained_model.empty()) {
    check(o.vocab.empty(), ErrorKind::kUsage,
          "--vocab: has no effect here: --pretrained-model brings its own vocabulary");
    for (const char* name : kOfPretrained)
      options.check_unused(name, "--pretrained-model determines it");
  }
  if (o.mini_batch_fit)
    options.check_unused("mini-batch-words", "--mini-batch-fit determines the batch size");
  else
    options.check_unused("workspace", "it requires --mini-batch-fit");
  if (std::find(o.valid_metrics.begin(), o.valid_metrics.end(), "bleu") == o.valid_metrics.end())
    options.check_unused("valid-tokenize", "bleu is not among --valid-metrics");
  if (!o.vocab.empty())
    options.check_unused("normalization", "--vocab brings its own normalization");
  if (o.trainer.optimizer != OptimizerKind::adamw)
    options.check_unused("optimizer-params", "it is for --optimizer adamw");
  if (const Schedule::Decay decay = o.trainer.schedule.decay; decay != Schedule::kInverseSqrt)
    options.check_unused("lr-decay-inv-sqrt", decay == Schedule::kLinear
                                                  ? "--lr-schedule is linear"
                                                  : "--lr-schedule is constant");
  if (o.init.hf) options.check_unused("embedding-std", "--init is hf");
  if (o.num_sparse_encoder_layers + o.num_sparse_decoder_layers == 0)
    for (const char* name : {"num-experts", "expert-dropout"})
      options.check_unused(name, "no layer is sparse (--num-sparse-encoder-layers)");
}

}  // namespace

void add_train_options(Options& options, TrainingOptions& training) {
  training.config.router_aux_loss_coef = 0.01f;  // the paper's, for new models
  training.compute_type = computes_natively(DType::bf16) ? DType::bf16 : DType::f32;
  training.trainer.workers = 0;
  training.trainer.schedule.warmup = 4000;
  add_data(options, training);
  add_model(options, training);
  add_optimizer(options, training);
  add_batches_and_run(options, training);
  training.defaults = options.to_yaml();
  // The other presets build on this one, which is the default; --help shows its values.
  options.fill(preset_text("small"), "preset small");
}

void finish_train_options(Options& options, TrainingOptions& o) {
  check_all_used(options, o);
  if (!o.pretrained_model.empty())
    for (const char* name : kOfPretrained) options.leave_out(name);
  o.settings = options.to_yaml();
  // auto never selects a type that the machine does not support.
  check(o.compute_type == DType::f32 || computes_natively(o.compute_type), ErrorKind::kUsage,
        "--compute-type: found bfloat16, which this machine does not compute (",
        backend_description(), "), expected auto or float32");
  o.config.scale_decoder_outputs = o.config.tie_word_embeddings;
  TrainerOptions& t = o.trainer;
  check(t.adamw.beta1 < 1 && t.adamw.beta2 < 1 && t.adamw.eps > 0, ErrorKind::kUsage,
        "--optimizer-params: expected beta1 and beta2 below 1, epsilon above 0");
  o.threads = options.threads();
  check(t.workers <= options.requested_threads(), ErrorKind::kUsage, "--workers: found ", t.workers,
        ", expected at most --threads, ", options.requested_threads());
  t.workers =
      t.workers > 0 ? std::min(t.workers, o.threads) : backend_defaults(o.threads).training_workers;
  finish_options(o);
}

}  // namespace switchyard
