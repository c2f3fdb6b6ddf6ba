// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/options.h"

#include <algorithm>
#include <array>

#include "src/core/counted.h"
#include "src/core/error.h"

namespace switchyard {

namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 40;

// "50Ku" -> 50000 and "u". Digits, an optional K, M or G, the rest.
std::int64_t parse_count(const std::string& option, const std::string& text, std::string& unit) {
  std::size_t i = 0;
  std::int64_t count = 0;
  while (i < text.size() && text[i] >= '0' && text[i] <= '9' && count < kMost)
    count = count * 10 + (text[i++] - '0');
  const bool digits = i > 0;
  if (i < text.size()) {
    const std::size_t power = std::string("KMG").find(text[i]);
    if (power != std::string::npos) {
      constexpr std::array<std::int64_t, 3> kFactor = {1000, 1000'000, 1000'000'000};
      count = count > kMost / kFactor[power] ? kMost : count * kFactor[power];
      ++i;
    }
  }
  unit = text.substr(i);
  check(digits && count < kMost, ErrorKind::kUsage, "--", option, ": found '", escaped(text),
        "', expected a count below 2^40 with a unit, as in 100u or 50Ku");
  return count;
}

void check_files_and_batches(const TrainingOptions& o) {
  check(o.mini_batch_words > 0 || o.mini_batch > 0 || o.mini_batch_fit, ErrorKind::kUsage,
        "--mini-batch-words and --mini-batch are both 0: one of them must be given");
  const std::size_t files = o.tsv ? 1 : 2;
  const char* expected = o.tsv ? "one file (--tsv)" : "a source and a target file";
  check(!o.train_sets.empty(), ErrorKind::kUsage, "--train-sets: missing, expected ", expected,
        "; see --help");
  check(o.train_sets.size() == files, ErrorKind::kUsage, "--train-sets: found ",
        counted(std::ssize(o.train_sets), "file"), ", expected ", expected);
  check(o.valid_sets.empty() || o.valid_sets.size() == files, ErrorKind::kUsage,
        "--valid-sets: found ", counted(std::ssize(o.valid_sets), "file"), ", expected ", expected);
}

}  // namespace

StopRule parse_stop_rule(const std::string& option, const std::string& text) {
  StopRule rule;
  // Of two limits of one kind the first that is reached counts, too.
  const auto limit = [](std::int64_t& to, std::int64_t value) {
    to = to == 0 ? value : std::min(to, value);
  };
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string unit;
    const std::int64_t count = parse_count(option, text.substr(begin, end - begin), unit);
    check(count > 0, ErrorKind::kUsage, "--", option, ": found ", count, ", expected 1 or more");
    if (unit == "e") {
      limit(rule.epochs, count);
    } else if (unit == "u") {
      limit(rule.updates, count);
    } else if (unit == "t") {
      limit(rule.target_tokens, count);
    } else if (unit == "s") {
      limit(rule.seconds, count);
    } else if (unit == "m") {
      limit(rule.seconds, count * 60);
    } else if (unit == "h") {
      limit(rule.seconds, count * 3600);
    } else {
      fail(ErrorKind::kUsage, "--", option, ": found '", escaped(text),
           "', expected units e (epochs), u (updates), t (target tokens), s, m or h");
    }
    begin = end + 1;
  }
  return rule;
}

Frequency parse_frequency(const std::string& option, const std::string& text) {
  Frequency frequency;
  std::string unit;
  frequency.count = parse_count(option, text, unit);
  check(unit.empty() || unit == "u" || unit == "e", ErrorKind::kUsage, "--", option, ": found '",
        escaped(text), "', expected a unit of u (updates) or e (epochs)");
  check(frequency.count > 0, ErrorKind::kUsage, "--", option, ": found 0, expected 1 or more");
  frequency.unit = unit == "e" ? Frequency::kEpochs : Frequency::kUpdates;
  return frequency;
}

std::int64_t parse_updates(const std::string& option, const std::string& text) {
  std::string unit;
  const std::int64_t count = parse_count(option, text, unit);
  check(unit.empty() || unit == "u", ErrorKind::kUsage, "--", option, ": found '", escaped(text),
        "', expected updates, as in 4000u");
  return count;
}

void finish_options(TrainingOptions& o) {
  check_files_and_batches(o);
  check(o.num_sparse_encoder_layers <= o.config.num_layers &&
            o.num_sparse_decoder_layers <= o.config.num_decoder_layers,
        ErrorKind::kUsage, "--num-sparse-encoder-layers ", o.num_sparse_encoder_layers, " of ",
        o.config.num_layers, ", --num-sparse-decoder-layers ", o.num_sparse_decoder_layers, " of ",
        o.config.num_decoder_layers, ": more sparse layers than layers");
  check(o.average_last == 0 || o.average_best == 0, ErrorKind::kUsage,
        "--average-last and --average-best both write DIR/average: give one");
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
  if (o.hf_capacity) {
    check(o.trainer.capacity.capacity_factor == 0, ErrorKind::kUsage,
          "--compat hf and --capacity-factor are two rules for one thing: give one");
    o.trainer.capacity.expert_capacity = o.config.expert_capacity;
  } else {
    // Trained without dropping by sequence; so that Hugging Face, whose rule always applies, drops
    // nothing either when it scores sentences of the lengths trained on.
    o.config.expert_capacity = std::max(o.config.expert_capacity, o.max_length);
  }
}

}  // namespace switchyard
