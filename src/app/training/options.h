// SPDX-License-Identifier: Apache-2.0
// What a training run is told: filled by tools/train from flags, files and presets, checked once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "src/nn/model.h"
#include "src/train/trainer.h"

namespace switchyard {

// "every so often": 100u updates, 1e epochs.
struct Frequency {
  enum Unit { kUpdates, kEpochs };
  std::int64_t count = 0;
  Unit unit = kUpdates;
};

// When training ends: whichever of these comes first; 0: no such limit.
struct StopRule {
  std::int64_t epochs = 0;
  std::int64_t updates = 0;
  std::int64_t target_tokens = 0;
  std::int64_t seconds = 0;  // of training, those before a resume included
};

struct TrainingOptions {
  std::string preset = "small";  // whose settings hold for what is not given

  // Data. With `tsv` each set is one file of SRC <tab> TGT lines, else a source and a target file.
  std::vector<std::filesystem::path> train_sets, valid_sets;
  bool tsv = false;
  std::int64_t max_length = 128;  // tokens of a sentence, eos included
  bool max_length_crop = false;   // crop longer ones instead of leaving them out
  bool strict = false;            // text that is not UTF-8 is an error
  std::string source_prefix;      // put before every source line

  // Vocabulary: an empty path means one that is trained, as DIR/spiece.model.
  std::filesystem::path vocab;
  std::int64_t vocab_size = 8000;
  std::string normalization = "nmt_nfkc";  // of text: one of SentencePiece's rules

  // Model
  std::filesystem::path directory;
  ModelConfig config;
  std::int64_t num_sparse_encoder_layers = 0;
  std::int64_t num_sparse_decoder_layers = 0;
  bool hf_capacity = false;  // --compat hf: config.expert_capacity binds in training
  Initialisation init;

  // Batches
  // 0: mini_batch sentences
  std::int64_t mini_batch_words = backend_defaults().training_batch_tokens;
  std::int64_t mini_batch = 0;
  bool mini_batch_fit = false;    // as many words as fit into workspace_mb
  std::int64_t workspace_mb = 0;  // 0: half of the memory that is available
  std::int64_t optimizer_delay = 1;

  TrainerOptions trainer;
  DType compute_type = DType::f32;  // of matmuls: or bf16, which the machine must have
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

  // Every option with its effective value, as a YAML map: kept as training_args.yml, and compared
  // with it when a run is resumed.
  std::string settings;
  // The same where neither user nor preset sets anything.
  std::string defaults;
};

// Checks what several options say together (Error(kUsage) naming them; each one's own range is
// checked where it is parsed) and fills what follows from them: which layers are sparse, the
// schedule's end, the expert capacity.
void finish_options(TrainingOptions& options);

}  // namespace switchyard
