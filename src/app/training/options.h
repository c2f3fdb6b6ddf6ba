// SPDX-License-Identifier: Apache-2.0
// The options of a training run: filled from flags, files and presets by tools/train_options.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "src/nn/model.h"
#include "src/train/trainer.h"

namespace switchyard {

// How often something is done: every 100 updates (100u), every epoch (1e).
struct Frequency {
  enum Unit { kUpdates, kEpochs };
  std::int64_t count = 0;
  Unit unit = kUpdates;
};

// When training ends: at the first limit reached; 0: no limit.
struct StopRule {
  std::int64_t epochs = 0;
  std::int64_t updates = 0;
  std::int64_t target_tokens = 0;
  std::int64_t seconds = 0;  // of training, including those before a resume
};

struct TrainingOptions {
  std::string preset = "small";  // defaults for options that are not given

  // Data. With `tsv` each set is one file of SRC <tab> TGT lines, else a source and a target file.
  std::vector<std::filesystem::path> train_sets, valid_sets;
  bool tsv = false;
  std::int64_t max_length = 128;  // tokens of a sentence, eos included
  bool max_length_crop = false;   // crop longer ones instead of skipping them
  bool strict = false;            // text that is not UTF-8 is an error
  std::string source_prefix;      // prepended to every source line

  // Vocabulary: if the path is empty, one is trained and written to DIR/spiece.model.
  std::filesystem::path vocab;
  std::int64_t vocab_size = 8000;
  std::string normalization = "nmt_nfkc";  // one of SentencePiece's rules

  // Model
  std::filesystem::path directory;
  // The model directory to start from, whose vocabulary and architecture are kept; empty: none.
  std::filesystem::path pretrained_model;
  ModelConfig config;
  std::int64_t num_sparse_encoder_layers = 0;
  std::int64_t num_sparse_decoder_layers = 0;
  bool hf_capacity = false;  // --compat hf: config.expert_capacity binds in training
  Initialisation init;

  // Batches
  // 0: batches of mini_batch sentences
  std::int64_t mini_batch_words = backend_defaults().training_batch_tokens;
  std::int64_t mini_batch = 0;
  bool mini_batch_fit = false;    // as many tokens as fit into workspace_mb
  std::int64_t workspace_mb = 0;  // 0: half of the available memory
  std::int64_t optimizer_delay = 1;

  std::vector<std::string> freeze;  // patterns of parameters that are not updated
  TrainerOptions trainer;
  DType compute_type = DType::f32;  // of matmuls; bf16 needs hardware support
  int threads = 0;                  // 0: default_threads()

  // Run
  StopRule after{.epochs = 20};
  Frequency disp_freq{100, Frequency::kUpdates};
  std::int64_t disp_first = 5;
  Frequency valid_freq{1000, Frequency::kUpdates};
  Frequency save_freq{0, Frequency::kUpdates};  // 0: as valid_freq
  std::vector<std::string> valid_metrics{"bleu", "chrf", "ce-mean-words"};
  std::string valid_tokenize = "13a";  // BLEU's tokenizer, as BleuOptions::tokenize
  std::int64_t early_stopping = 10;    // 0: never
  std::int64_t keep_last = 3;
  std::int64_t average_last = 0, average_best = 0;  // checkpoints in DIR/average; 0: none
  std::int64_t beam_size = 1;
  bool reload = true;
  bool overwrite = false;

  // Every option with its effective value, as a YAML map: saved as training_args.yml and compared
  // with it when the run is resumed.
  std::string settings;
  // The same, if neither the user nor a preset set anything.
  std::string defaults;
};

// Checks the options against each other (each one's range is checked when it is parsed) and derives
// the rest: which layers are sparse, the end of the schedule, the expert capacity. Error(kUsage)
// naming the options.
void finish_options(TrainingOptions& options);

// Sets the capacity of the config and of training, for --compat and --capacity-factor.
// Error(kUsage) if they exclude each other.
void set_expert_capacity(TrainingOptions& options);

}  // namespace switchyard
