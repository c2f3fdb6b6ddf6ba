// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/setup.h"

#include <utility>

#include "src/app/figures.h"
#include "src/app/text_translator.h"
#include "src/app/training/freeze.h"
#include "src/app/training/pretrained.h"
#include "src/core/error.h"
#include "src/core/log.h"
#include "src/core/parallel.h"

namespace switchyard {

namespace {

ModelConfig make_config(const TrainingOptions& options, const Tokenizer& tokenizer) {
  ModelConfig config = options.config;
  if (!options.pretrained_model.empty()) {
    check_tokenizer(tokenizer, config, escaped(options.pretrained_model.native()));
    return config;
  }
  check(tokenizer.pad_id() >= 0, ErrorKind::kData,
        "--vocab: the vocabulary has no padding piece, which starts every translation");
  config.vocab_size = tokenizer.vocab_size();
  config.pad_token_id = tokenizer.pad_id();
  config.eos_token_id = tokenizer.eos_id();
  config.decoder_start_token_id = tokenizer.pad_id();
  validate(config);
  return config;
}

TrainerOptions trainer_options(const TrainingOptions& options, const Model& model) {
  TrainerOptions trainer = options.trainer;
  trainer.frozen = frozen_params(model, options.freeze);
  return trainer;
}

TrainingMemory memory_for(const Context& ctx, const Model& model, const TrainingOptions& options) {
  TrainingMemory memory = parameter_memory(model, options);
  memory.available = available_memory(ctx);
  check_memory(memory);
  return memory;
}

}  // namespace

TrainingParts::TrainingParts(const TrainingOptions& options, const MakeTokenizer& make_tokenizer)
    : TrainingParts(options, make_tokenizer, read_training_text(options)) {}

TrainingParts::TrainingParts(const TrainingOptions& options, const MakeTokenizer& make_tokenizer,
                             TrainingText lines)
    : threads(options.threads > 0 ? options.threads : default_threads()),
      ctx(make_context({threads, false, options.compute_type})),
      tokenizer(make_tokenizer(lines.train)),
      text(encode_training_data(tokenizer, std::move(lines), options, threads)),
      model(make_config(options, tokenizer)),
      memory(memory_for(*ctx, model, options)),
      params(*ctx, model.layout()),
      trainer(*ctx, model, params, trainer_options(options, model)) {}

void TrainingParts::initialise(const TrainingOptions& options) {
  if (options.pretrained_model.empty())
    switchyard::initialise(*ctx, model, options.trainer.seed, options.init, params);
  else
    load_pretrained(*ctx, options, params);
  trainer.prepare();
  trainer.reset_average();
}

StepResult TrainingParts::step(std::vector<HostBatch> taken) {
  try {
    return trainer.step(std::move(taken));
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::kDiverged) throw;
    fail(e.kind(), e.what(), "; try a lower --learn-rate or a longer --lr-warmup");
  }
}

void TrainingParts::plan_batches(const TrainingOptions& options, std::int64_t words) {
  batches.mini_batch_words = words;
  batches.mini_batch = options.mini_batch;
  batches.seed = options.trainer.seed;
  if (options.mini_batch_fit) {
    const std::int64_t workspace =
        options.workspace_mb > 0 ? options.workspace_mb << 20 : available_memory(*ctx) / 2;
    if (words == 0)
      batches.mini_batch_words = fit_batch_words(trainer, text.train, batches, workspace);
    log_info("batches: up to " + with_commas(batches.mini_batch_words) + " words, " +
             (words > 0 ? "as before" : "which fit into " + bytes_text(workspace)));
  }
  memory.batch = largest_batch_bytes(trainer, text.train, batches);
  check_memory(memory);
}

}  // namespace switchyard
