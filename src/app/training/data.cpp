// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/data.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "src/app/figures.h"
#include "src/app/vocabulary_warnings.h"
#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/core/log.h"
#include "src/core/rng.h"
#include "src/text/utf8.h"

namespace switchyard {

namespace {

constexpr std::size_t kMaxHeldOut = 1000;
constexpr std::uint64_t kHoldOutSite = 0x686F6C646F7574;  // "holdout"

void check_utf8(const std::vector<std::string>& lines, const std::filesystem::path& file) {
  std::int64_t ill_formed = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    valid_utf8(lines[i], &ill_formed);
    check(ill_formed == 0, ErrorKind::kData, escaped(file.string()), ":", i + 1,
          ": not UTF-8 (--strict)");
  }
}

ParallelText read_pairs(const std::vector<std::filesystem::path>& files,
                        const TrainingOptions& options) {
  ParallelText text = options.tsv ? read_tsv(files[0]) : read_parallel(files[0], files[1]);
  if (options.strict) {
    check_utf8(text.source, files.front());
    check_utf8(text.target, files.back());
  }
  return text;
}

std::string join(const std::vector<std::filesystem::path>& names) {
  std::string text;
  for (const std::filesystem::path& name : names)
    text += (text.empty() ? "" : ", ") + escaped(name.string());
  return text;
}

// Numbers the distinct pairs in order of first occurrence and returns each pair's number: equal
// pairs have the same one.
std::vector<std::size_t> number_pairs(const ParallelText& text, std::size_t& different) {
  using Pair = std::pair<std::string_view, std::string_view>;
  struct HashPair {
    std::size_t operator()(const Pair& pair) const {
      const std::hash<std::string_view> hash;
      return static_cast<std::size_t>(mix64(hash(pair.first)) ^ hash(pair.second));
    }
  };
  std::unordered_map<Pair, std::size_t, HashPair> numbers;
  std::vector<std::size_t> number_of(text.source.size());
  for (std::size_t i = 0; i < number_of.size(); ++i)
    number_of[i] =
        numbers.try_emplace({text.source[i], text.target[i]}, numbers.size()).first->second;
  different = numbers.size();
  return number_of;
}

// Draws `count` of `total` items by the seed; true marks those drawn.
std::vector<bool> draw(std::size_t total, std::size_t count, std::uint64_t seed) {
  std::vector<std::size_t> order(total);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<bool> drawn(total);
  Rng rng(stream_key(seed, 0, kHoldOutSite));
  for (std::size_t i = 0; i < count; ++i) {
    std::swap(order[i], order[i + rng.below(total - i)]);
    drawn[order[i]] = true;
  }
  return drawn;
}

void log_counts(const char* name, const Corpus& corpus) {
  const CorpusCounts& counts = corpus.counts;
  std::string text = std::string(name) + ": " + counted(corpus.size(), "pair") + ", " +
                     std::to_string(corpus.source.ids.size()) + " + " +
                     std::to_string(corpus.target.ids.size()) + " tokens";
  const auto note = [&](std::int64_t count, const char* what) {
    if (count > 0) text += ", " + with_commas(count) + " " + what;
  };
  note(counts.skipped_empty, "skipped (an empty side)");
  note(counts.skipped_long, "skipped (longer than --max-length)");
  note(counts.cropped, "cropped to --max-length");
  note(counts.invalid_utf8, counts.invalid_utf8 == 1
                                ? "invalid UTF-8 sequence replaced by U+FFFD"
                                : "invalid UTF-8 sequences replaced by U+FFFD");
  log_info(text);
}

void warn_of_unknown_tokens(const char* name, const std::vector<std::filesystem::path>& files,
                            const CorpusCounts& counts) {
  const auto side = [&](const char* which, const std::filesystem::path& file) {
    return escaped(file.string()) + " (" + name + " " + which + ")";
  };
  switchyard::warn_of_unknown_tokens(side("source", files.front()), counts.source_unknown);
  switchyard::warn_of_unknown_tokens(side("target", files.back()), counts.target_unknown);
}

}  // namespace

ParallelText hold_out(ParallelText& train, std::uint64_t seed) {
  const std::size_t pairs = train.source.size();
  check(pairs >= 10, ErrorKind::kData,
        "--train-sets: ", counted(static_cast<std::int64_t>(pairs), "pair"),
        ", expected at least 10, or --valid-sets");
  std::size_t different = 0;
  const std::vector<std::size_t> number_of = number_pairs(train, different);
  check(different > 1, ErrorKind::kData, "--train-sets: all ", pairs,
        " pairs are equal, expected at least 2 different ones, or --valid-sets");
  const std::size_t held = std::clamp<std::size_t>(different / 10, 1, kMaxHeldOut);
  const std::vector<bool> drawn = draw(different, held, seed);

  ParallelText valid, rest;
  std::vector<bool> taken(different);
  for (std::size_t i = 0; i < pairs; ++i) {
    const std::size_t number = number_of[i];
    if (drawn[number] && taken[number]) continue;
    ParallelText& to = drawn[number] ? valid : rest;
    to.source.push_back(std::move(train.source[i]));
    to.target.push_back(std::move(train.target[i]));
    taken[number] = true;
  }
  train = std::move(rest);
  return valid;
}

TrainingText read_training_text(const TrainingOptions& options) {
  TrainingText text;
  text.train = read_pairs(options.train_sets, options);
  if (!options.valid_sets.empty()) {
    text.valid = read_pairs(options.valid_sets, options);
  } else {
    const std::size_t pairs = text.train.source.size();
    text.valid = hold_out(text.train, options.trainer.seed);
    const std::size_t held = text.valid.source.size();
    const std::size_t copies = pairs - held - text.train.source.size();
    log_info("no --valid-sets: " + std::to_string(held) + " of " + std::to_string(pairs) +
             " training pairs held out for validation" +
             (copies > 0
                  ? "; copies of them removed from the training set: " + std::to_string(copies)
                  : ""));
  }
  return text;
}

Tokenizer make_vocabulary(const ParallelText& text, const TrainingOptions& options) {
  if (!options.pretrained_model.empty()) return Tokenizer::load_directory(options.pretrained_model);
  if (!options.vocab.empty()) return Tokenizer::load(options.vocab);
  const std::size_t pairs = text.source.size();
  const auto lines = static_cast<std::int64_t>(2 * pairs);
  log_info("training a vocabulary of at most " + std::to_string(options.vocab_size) + " pieces" +
           (lines <= Tokenizer::kMaxTrainingLines
                ? ""
                : " on " + with_commas(Tokenizer::kMaxTrainingLines) + " of " + with_commas(lines) +
                      " lines, drawn at random"));
  std::size_t i = 0;
  const auto next = [&](std::string& line) {
    if (i == 2 * pairs) return false;
    line = i < pairs ? text.source[i] : text.target[i - pairs];
    ++i;
    return true;
  };
  return with_context(join(options.train_sets), [&] {
    return Tokenizer::train(next, options.vocab_size, options.normalization);
  });
}

TrainingData encode_training_data(const Tokenizer& tokenizer, TrainingText text,
                                  const TrainingOptions& options, int threads) {
  CorpusOptions corpus;
  corpus.max_length = options.max_length;
  corpus.crop = options.max_length_crop;
  corpus.source_prefix = options.source_prefix;
  warn_of_changed_lines(escaped(options.train_sets.back().string()), tokenizer, text.train.target);
  TrainingData data;
  data.train = encode_corpus(tokenizer, text.train, corpus, threads, join(options.train_sets));
  log_counts("training", data.train);
  corpus.crop = true;  // validation covers all pairs
  const auto& valid_sets = options.valid_sets.empty() ? options.train_sets : options.valid_sets;
  data.valid = encode_corpus(tokenizer, text.valid, corpus, threads, join(valid_sets));
  log_counts("validation", data.valid);
  warn_of_unknown_tokens("training", options.train_sets, data.train.counts);
  warn_of_unknown_tokens("validation", valid_sets, data.valid.counts);
  data.valid_source = std::move(text.valid.source);
  data.valid_reference = std::move(text.valid.target);
  return data;
}

}  // namespace switchyard
