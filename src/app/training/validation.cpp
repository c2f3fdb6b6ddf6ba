// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/validation.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include "src/core/error.h"
#include "src/nn/loss.h"
#include "src/text/batcher.h"
#include "src/text/chrf.h"
#include "src/text/corpus.h"

namespace switchyard {

namespace {

constexpr std::int64_t kBatchTokens = 1024;

// Limits translations to 1.5 times the length of the longest reference: an untrained model does not
// end its sentences.
std::int64_t max_new_tokens(const PairSource& valid) {
  const std::int64_t longest = valid.bounds().longest.target;
  return longest + longest / 2;
}

TranslatorOptions translator_options(const TrainingData& data, const TrainingOptions& options,
                                     int threads) {
  TranslatorOptions t;
  t.search.num_beams = options.beam_size;
  t.search.max_new_tokens = max_new_tokens(data.valid);
  t.workers = threads;
  t.threads = 1;
  t.row_invariant = false;
  return t;
}

}  // namespace

double ValidationResult::metric(const std::string& name) const {
  return name == "bleu" ? bleu : name == "chrf" ? chrf : ce_mean_words;
}

Validator::Validator(const Model& model, const Tokenizer& tokenizer, const TrainingData& data,
                     const TrainingOptions& options, int threads)
    : model_(model),
      tokenizer_(tokenizer),
      data_(data),
      translate_(options.valid_metrics != std::vector<std::string>{"ce-mean-words"}),
      team_(threads),
      translator_(model, translator_options(data, options, threads)) {
  for (int i = 0; i < threads; ++i) contexts_.push_back(make_context({1}));
  BatchOptions batching;
  batching.mini_batch_words = kBatchTokens;
  batching.shuffle = false;
  Batcher batcher(data.valid, batching);
  for (std::int64_t b = batcher.batches_in_epoch(); b > 0; --b) batches_.push_back(batcher.next());
  // The capacity factor applies only in training, Hugging Face's capacity also in scoring.
  capacity_.expert_capacity = options.trainer.capacity.expert_capacity;
  bleu_.tokenize = options.valid_tokenize;
  bleu_can_score_ = bleu_can_score(options.valid_tokenize);
  for (const std::string& line : data.valid_source) {
    Ids ids = tokenizer.encode(options.source_prefix + line);
    crop(ids, options.max_length);
    sources_.push_back(std::move(ids));
  }
}

ValidationResult Validator::run() {
  const auto begin = std::chrono::steady_clock::now();
  ValidationResult result;
  result.ce_mean_words = loss();
  if (translate_) {
    for (const NBest& found : translator_.translate(sources_))
      result.translations.push_back(tokenizer_.decode(found.front().ids));
    result.bleu = corpus_bleu(result.translations, {data_.valid_reference}, bleu_).score;
    result.chrf = corpus_chrf(result.translations, {data_.valid_reference});
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

double Validator::loss() {
  Pass pass;
  pass.capacity = capacity_;
  std::vector<double> nll(batches_.size());
  std::atomic<std::size_t> next = 0;
  team_.run(team_.threads(), [&](int worker) {
    Context& ctx = *contexts_[static_cast<std::size_t>(worker)];
    for (std::size_t b = next++; b < batches_.size(); b = next++)
      nll[b] = compute_loss(ctx, model_, batches_[b], pass, {}, nullptr).nll_sum;
  });
  double sum = 0;
  std::int64_t tokens = 0;
  for (std::size_t b = 0; b < batches_.size(); ++b) {
    sum += nll[b];
    tokens += batches_[b].target_tokens();
  }
  return sum / static_cast<double>(tokens);
}

bool Validator::bleu_can_score(const std::string& tokenize) const {
  BleuOptions bleu;
  bleu.tokenize = tokenize;
  return corpus_bleu(data_.valid_reference, {data_.valid_reference}, bleu).score > 0;
}

bool Validator::is_meaningful(const std::string& metric) const {
  return metric != "bleu" || bleu_can_score_;
}

std::string Validator::signature() const {
  return "BLEU " + bleu_signature(bleu_, 1) + ", chrF " + chrf_signature({}, 1);
}

}  // namespace switchyard
