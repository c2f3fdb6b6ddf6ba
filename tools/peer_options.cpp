// SPDX-License-Identifier: Apache-2.0
#include "tools/peer_options.h"

#include <algorithm>
#include <string>

#include "src/core/error.h"

namespace switchyard {

namespace {

struct Advice {
  const char* option;  // our name; the row applies to tools that have this option
  const char* choice;  // which must be among its choices; empty: any
  const char* text;    // {10}: the value given, if it is a number; {DIR}: if there is one
  const char* names;   // used by other programs, separated by spaces
};

// The first row with this name and with an option of the tool applies.
constexpr Advice kAdvice[] = {
    {"after", "", "use --after {10}e",
     "epochs epoch max-epoch max-epochs after-epochs num-epochs train-epochs num-train-epochs"},
    {"after", "", "use --after {50000}u",
     "steps max-steps train-steps num-steps max-step max-update max-updates updates after-batches "
     "iterations num-iterations"},
    {"after", "", "use --after {2}h", "stop-time-hours max-hours hours"},
    {"after", "", "use --after {600}s", "max-time max-seconds seconds"},
    {"train-sets", "", "use --mini-batch {32} (sentences) or --mini-batch-words 4096 (tokens)",
     "batch-size max-sentences train-batch-size per-device-train-batch-size batch-type"},
    {"mini-batch", "", "use --mini-batch {32}",
     "batch-size max-batch-size max-sentences eval-batch-size per-device-eval-batch-size"},
    {"beam-size", "", "use --beam-size {5}", "num-beams beam beams beam-width"},
    {"n-best", "", "use --n-best={3}",
     "nbest num-hypotheses num-return-sequences nbest-size num-return-hypotheses"},
    {"max-output-length", "", "use --max-output-length {256}",
     "max-new-tokens max-decoding-length max-len-b max-output-len max-target-length"},
    {"min-new-tokens", "", "use --min-new-tokens {2}",
     "min-decoding-length min-len min-output-length"},
    {"no-repeat-ngram-size", "", "use --no-repeat-ngram-size {3}", "block-ngram-repeat"},
    {"do-sample", "", "use --do-sample", "sampling output-sampling random-sampling sample"},
    {"do-sample", "", "use --do-sample --top-k {10}", "sampling-topk random-sampling-topk topk"},
    {"do-sample", "", "use --do-sample --top-p {0.9}", "sampling-topp random-sampling-topp topp"},
    {"do-sample", "", "use --do-sample --temperature {0.8}",
     "sampling-temperature random-sampling-temp"},
    {"max-input-length", "", "use --max-input-length {1024}",
     "max-length max-source-length src-seq-length"},
    {"max-length", "", "use --max-length {128}",
     "max-source-length max-target-length max-source-positions max-target-positions "
     "max-seq-length seq-length src-seq-length tgt-seq-length max-seq-len"},
    {"compute-type", "int8", "use --compute-type int8", "int8"},
    {"compute-type", "int8", "use --compute-type bfloat16 or int8 (there is no float16)",
     "fp16 float16 half"},
    {"compute-type", "bfloat16", "use --compute-type bfloat16",
     "bf16 bfloat16 amp mixed-precision"},
    {"compute-type", "bfloat16", "use --compute-type bfloat16 (there is no float16)",
     "fp16 float16 half memory-efficient-fp16"},
    {"compute-type", "", "use --compute-type float32", "fp32 float32 no-bf16 no-fp16"},
    {"compute-type", "", "use --compute-type", "precision dtype torch-dtype model-dtype"},
    {"num-experts", "", "use --num-experts {8}",
     "experts expert n-experts moe-experts moe-expert-count num-moe-experts expert-count "
     "moe-num-experts"},
    {"num-sparse-encoder-layers", "",
     "use --num-sparse-encoder-layers N and --num-sparse-decoder-layers N",
     "moe-freq encoder-sparse-step decoder-sparse-step encoder-moe-freq decoder-moe-freq "
     "moe-layers num-sparse-layers sparse-layers"},
    {"router-aux-loss-coef", "", "use --router-aux-loss-coef {0.01}",
     "moe-gate-loss-wt aux-loss-coef load-balance-loss moe-loss-coef"},
    {"capacity-factor", "", "use --capacity-factor {1.25}",
     "expert-capacity-factor moe-capacity-factor"},
    {"d-model", "", "use --d-model {512}",
     "dim-emb hidden-size rnn-size word-vec-size embedding-size embed-dim encoder-embed-dim "
     "decoder-embed-dim model-dim dim-model transformer-model-size"},
    {"d-ff", "", "use --d-ff {2048}",
     "transformer-dim-ffn transformer-ff ffn-dim intermediate-size encoder-ffn-embed-dim "
     "decoder-ffn-embed-dim ff-dim ffn-hidden-size transformer-feed-forward-num-hidden"},
    {"num-heads", "", "use --num-heads {8}",
     "heads transformer-heads num-attention-heads encoder-attention-heads decoder-attention-heads "
     "n-head n-heads"},
    {"num-layers", "", "use --num-layers {6} and --num-decoder-layers {6}",
     "layers depth n-layer n-layers num-hidden-layers"},
    {"num-layers", "", "use --num-layers {6}", "enc-depth enc-layers encoder-layers"},
    {"num-decoder-layers", "", "use --num-decoder-layers {6}",
     "dec-depth dec-layers decoder-layers"},
    {"dropout", "", "use --dropout {0.1}",
     "dropout-rate transformer-dropout attention-dropout relu-dropout activation-dropout "
     "transformer-dropout-attention transformer-dropout-ffn"},
    {"tie-word-embeddings", "", "use --tie-word-embeddings",
     "tied-embeddings tied-embeddings-all share-all-embeddings share-embeddings "
     "share-decoder-embeddings share-decoder-input-output-embed weight-tying"},
    {"preset", "", "use --preset tiny, small or another", "arch a model-size size"},
    {"init", "", "use --init paper or hf", "param-init param-init-glorot"},
    {"optimizer-params", "", "use --optimizer-params 0.9 0.98 1e-9",
     "adam-betas adam-beta1 adam-beta2 adam-eps adam-epsilon betas"},
    {"optimizer-params", "",
     "use --optimizer-params 0.9 0.98 1e-9 {0.01}, the last being the decay", "weight-decay wd"},
    {"optimizer", "", "use --optimizer adamw or adafactor", "optim"},
    {"learn-rate", "", "use --learn-rate {0.0003}", "learning-rate max-lr base-lr peak-lr"},
    {"lr-warmup", "", "use --lr-warmup {4000}u",
     "warmup warmup-steps warmup-updates num-warmup-steps lr-warmup-steps"},
    {"lr-schedule", "", "use --lr-schedule inv-sqrt, linear or constant",
     "lr-scheduler lr-scheduler-type scheduler decay-method lr-decay"},
    {"optimizer-delay", "", "use --optimizer-delay {4}",
     "gradient-accumulation-steps gradient-accumulation grad-accum"},
    {"clip-norm", "", "use --clip-norm {1}", "max-grad-norm clip-gradient grad-clip gradient-clip"},
    {"label-smoothing", "", "use --label-smoothing {0.1}", "label-smoothing-factor"},
    {"exponential-smoothing", "", "use --exponential-smoothing 0.0001, which is 1 - decay",
     "ema ema-decay use-ema average-decay moving-average-decay"},
    {"activation-checkpointing", "", "use --activation-checkpointing",
     "gradient-checkpointing checkpoint-activations"},
    {"disp-freq", "", "use --disp-freq {100}u",
     "log-interval logging-steps report-every log-every log-freq"},
    {"valid-freq", "", "use --valid-freq {1000}u",
     "valid-steps eval-steps validate-interval-updates eval-interval valid-interval eval-every "
     "validation-freq checkpoint-interval"},
    {"valid-freq", "", "use --valid-freq {1}e", "validate-interval"},
    {"save-freq", "", "use --save-freq {1000}u",
     "save-steps save-checkpoint-steps save-interval-updates save-every"},
    {"save-freq", "", "use --save-freq {1}e", "save-interval"},
    {"early-stopping", "", "use --early-stopping {10}",
     "patience early-stopping-patience max-num-checkpoint-not-improved"},
    {"keep-last", "", "use --keep-last {3}",
     "keep-last-epochs keep-interval-updates keep-last-params max-to-keep keep-checkpoints"},
    {"average-last", "", "use --average-last {5}",
     "average average-checkpoints num-epoch-checkpoints num-update-checkpoints avg-checkpoints"},
    {"train-sets", "", "use --train-sets SRC TGT",
     "src tgt source target train-file train data train-src train-tgt trainpref corpus "
     "prepared-data"},
    {"valid-sets", "", "use --valid-sets SRC TGT",
     "valid dev dev-sets validation-file validation-source validation-target valid-src valid-tgt "
     "validpref validation"},
    {"vocab-size", "", "use --vocab-size {8000}",
     "src-vocab-size tgt-vocab-size num-words nwordssrc nwordstgt bpe-size"},
    {"vocab", "", "use --vocab {FILE}",
     "src-vocab tgt-vocab srcdict tgtdict spm-model tokenizer tokenizer-name sentencepiece-model"},
    {"train-sets", "", "rerun the same command to resume",
     "resume continue restore restore-file resume-from-checkpoint resume-from train-from "
     "load-model "
     "from-checkpoint"},
    {"overwrite", "",
     "use --overwrite, which deletes the existing run; rerun the same command to resume it",
     "overwrite-output-dir overwrite-output reset-optimizer fresh restart"},
    {"dry-run", "", "use --dry-run", "memory-only estimate"},
    {"model", "", "use --model {DIR}",
     "models output-dir save-dir save-model model-dir model-path path model-name-or-path "
     "checkpoint-dir out-dir model-directory log-dir"},
    {"train-sets", "", "use --model DIR for the output", "output out o"},
    {"mini-batch", "", "a model directory contains its vocabulary", "vocab vocabs v tokenizer"},
    {"mini-batch", "", "use -m DIR/checkpoint-300, DIR/last or DIR/best",
     "checkpoint last best use-best checkpoints"},
    {"input", "", "use --input {FILE}",
     "source src-file input-file hyp hypothesis hypotheses translation prediction predictions sys"},
    {"output", "", "use --output {FILE}",
     "tgt target output-file output-translation predictions-file"},
    {"references", "", "references come first, without a name: switch-evaluate REF -i TRANSLATION",
     "ref refs reference"},
    {"metrics", "", "use --metrics bleu chrf", "bleu chrf"},
    {"workers", "", "use --workers {2}", "inter-threads num-translators"},
    {"threads", "", "use --threads {2}",
     "cpu-threads intra-threads num-threads num-workers omp-num-threads world-size workers "
     "nthreads n-threads"},
    {"threads", "", "there is no GPU backend; --threads is for the CPU",
     "gpu gpus gpuid gpu-ranks device devices cuda use-cuda no-cuda use-cpu cpu num-gpus d"},
    {"quiet", "", "use --quiet", "quiet-translation silent no-progress-bar"},
    {"log-level", "", "use --log-level verbose", "verbose debug"},
};

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 20 &&
         text.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool lists(std::string_view names, std::string_view name) {
  for (std::size_t begin = 0; begin < names.size();) {
    const std::size_t end = std::min(names.find(' ', begin), names.size());
    if (names.substr(begin, end - begin) == name) return true;
    begin = end + 1;
  }
  return false;
}

// Replaces each {example} with the value if it is of the same kind, otherwise with the example
// itself.
std::string filled(std::string text, std::string_view value) {
  for (std::size_t begin; (begin = text.find('{')) != std::string::npos;) {
    const std::size_t end = text.find('}', begin);
    const std::string example = text.substr(begin + 1, end - begin - 1);
    const bool fits = is_number(example) ? is_number(value)
                                         : !value.empty() && value.front() != '-' &&
                                               value.find_first_of("{}") == std::string::npos;
    text.replace(begin, end - begin + 1, fits ? escaped(value) : example);
  }
  return text;
}

}  // namespace

std::string advice_for_peer_option(
    std::string_view name, std::string_view value,
    const std::function<bool(std::string_view option, std::string_view choice)>& has) {
  for (const Advice& advice : kAdvice)
    if (lists(advice.names, name) && has(advice.option, advice.choice))
      return filled(advice.text, value);
  return "";
}

}  // namespace switchyard
