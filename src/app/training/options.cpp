// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/options.h"

#include <algorithm>

#include "src/core/counted.h"
#include "src/core/error.h"

namespace switchyard {

namespace {

void check_files_and_batches(const TrainingOptions& o) {
  check(o.mini_batch_words > 0 || o.mini_batch > 0 || o.mini_batch_fit, ErrorKind::kUsage,
        "--mini-batch-words and --mini-batch are both 0: set one of them");
  const std::size_t files = o.tsv ? 1 : 2;
  const char* expected = o.tsv ? "one file (--tsv)" : "a source and a target file";
  check(!o.train_sets.empty(), ErrorKind::kUsage, "--train-sets: missing, expected ", expected,
        "; see --help");
  check(o.train_sets.size() == files, ErrorKind::kUsage, "--train-sets: found ",
        counted(std::ssize(o.train_sets), "file"), ", expected ", expected);
  check(o.valid_sets.empty() || o.valid_sets.size() == files, ErrorKind::kUsage,
        "--valid-sets: found ", counted(std::ssize(o.valid_sets), "file"), ", expected ", expected);
}

// A new run clears its directory first.
void check_directories(const TrainingOptions& o) {
  namespace fs = std::filesystem;
  if (o.pretrained_model.empty() || o.directory.empty()) return;
  const fs::path own = fs::weakly_canonical(o.directory / "");
  for (fs::path from = fs::weakly_canonical(o.pretrained_model / ""); from.has_relative_path();
       from = from.parent_path())
    check(from / "" != own / "", ErrorKind::kUsage, "--pretrained-model: found ",
          escaped(o.pretrained_model.native()), ", in the directory of --model, ",
          escaped(o.directory.native()), "; expected another directory for the new model");
}

}  // namespace

void finish_options(TrainingOptions& o) {
  check_files_and_batches(o);
  check_directories(o);
  check(o.num_sparse_encoder_layers <= o.config.num_layers &&
            o.num_sparse_decoder_layers <= o.config.num_decoder_layers,
        ErrorKind::kUsage, "--num-sparse-encoder-layers ", o.num_sparse_encoder_layers, " of ",
        o.config.num_layers, ", --num-sparse-decoder-layers ", o.num_sparse_decoder_layers, " of ",
        o.config.num_decoder_layers, ": more sparse layers than layers");
  check(o.average_last == 0 || o.average_best == 0, ErrorKind::kUsage,
        "--average-last and --average-best both write DIR/average: give only one");
  const std::int64_t averaged = std::max(o.average_last, o.average_best);
  check(averaged <= o.keep_last, ErrorKind::kUsage,
        o.average_best > 0 ? "--average-best " : "--average-last ", averaged, " needs --keep-last ",
        averaged, " or more; it is ", o.keep_last);
  if (o.save_freq.count == 0) o.save_freq = o.valid_freq;
  o.config.encoder_sparse = sparse_layers(o.config.num_layers, o.num_sparse_encoder_layers);
  o.config.decoder_sparse = sparse_layers(o.config.num_decoder_layers, o.num_sparse_decoder_layers);
  o.config.model_type = o.config.sparse_count() > 0 ? "switch_transformers" : "t5";

  Schedule& schedule = o.trainer.schedule;
  if (schedule.decay == Schedule::kLinear) {
    check(o.after.updates > schedule.warmup, ErrorKind::kUsage,
          "--lr-schedule linear ends at --after, which must then be in updates and more than ",
          "--lr-warmup, as in --after 50Ku");
    schedule.last_update = o.after.updates;
  }
  set_expert_capacity(o);
}

void set_expert_capacity(TrainingOptions& o) {
  if (o.hf_capacity) {
    check(o.trainer.capacity.capacity_factor == 0, ErrorKind::kUsage,
          "--compat hf and --capacity-factor are two rules for the same thing: give only one");
    o.trainer.capacity.expert_capacity = o.config.expert_capacity;
  } else {
    // Training without --compat hf drops no tokens per sequence, but Hugging Face always applies
    // its rule. Make the capacity large enough that it drops none when scoring sentences of the
    // training lengths.
    o.config.expert_capacity = std::max(o.config.expert_capacity, o.max_length);
  }
}

}  // namespace switchyard
