// SPDX-License-Identifier: Apache-2.0
#include "src/text/corpus.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "src/core/error.h"
#include "src/core/hash.h"
#include "src/core/parallel.h"
#include "src/text/line_counts.h"

namespace switchyard {

namespace {

// Pairs encoded at a time, in all and by one thread.
constexpr std::int64_t kBlockPairs = 1 << 16;
constexpr std::int64_t kGrainPairs = 256;

}  // namespace

bool crop(Ids& ids, std::int64_t max_length) {
  if (static_cast<std::int64_t>(ids.size()) <= max_length) return false;
  ids.erase(ids.begin() + max_length - 1, ids.end() - 1);
  return true;
}

ParallelText read_parallel(const std::filesystem::path& source,
                           const std::filesystem::path& target) {
  ParallelText text{read_lines(source), read_lines(target)};
  check_same_lines(source.string(), text.source, target.string(), text.target);
  check(!text.source.empty(), ErrorKind::kData, escaped(source.string()), ", ",
        escaped(target.string()), ": 0 lines, expected at least one");
  return text;
}

ParallelText read_tsv(const std::filesystem::path& path) {
  const std::string name = escaped(path.string());
  LineReader reader(path);
  ParallelText text;
  for (std::string line; reader.next(line);) {
    const auto tabs = std::count(line.begin(), line.end(), '\t');
    check(tabs == 1, ErrorKind::kData, name, ":", reader.lines(), ": found ", tabs,
          " tabs, expected one between source and target");
    const auto tab = line.find('\t');
    text.source.push_back(line.substr(0, tab));
    text.target.push_back(line.substr(tab + 1));
  }
  check(!text.source.empty(), ErrorKind::kData, name, ": 0 lines, expected at least one");
  return text;
}

PairBounds Corpus::bounds() const {
  return {{source.longest, target.longest}, {std::ssize(source.ids), std::ssize(target.ids)}};
}

PairLength Corpus::length(std::int64_t, std::int64_t index) const {
  return {source.length(index), target.length(index)};
}

void Corpus::read(std::int64_t, std::int64_t index, Ids& source_ids, Ids& target_ids) const {
  const auto from = source[index], to = target[index];
  source_ids.assign(from.begin(), from.end());
  target_ids.assign(to.begin(), to.end());
}

std::uint64_t Corpus::hash() const {
  Fnv1a hash;
  for (const Sequences* side : {&source, &target}) {
    for (const auto offset : side->offsets) hash.add(static_cast<std::uint64_t>(offset));
    for (const auto id : side->ids) hash.add(static_cast<std::uint64_t>(id));
  }
  return hash.value();
}

Corpus encode_corpus(const Tokenizer& tokenizer, const ParallelText& text,
                     const CorpusOptions& options, int threads, std::string_view name) {
  check(options.max_length >= 2, ErrorKind::kUsage, "maximum length ", options.max_length,
        ", expected at least 2: one token and the end of the sentence");
  // An empty line has only the ids of the prefix and eos.
  const std::size_t empty_source = tokenizer.encode(options.source_prefix).size();
  Corpus corpus;
  corpus.counts.pairs = static_cast<std::int64_t>(text.source.size());
  std::atomic<std::int64_t> invalid = 0;
  std::vector<Ids> sources, targets;
  for (std::int64_t block = 0; block < corpus.counts.pairs; block += kBlockPairs) {
    const std::int64_t pairs = std::min(kBlockPairs, corpus.counts.pairs - block);
    sources.resize(static_cast<std::size_t>(pairs));
    targets.resize(static_cast<std::size_t>(pairs));
    std::mutex error_mutex;
    std::exception_ptr error;  // no exception may leave the parallel region
    parallel_for(threads, 0, pairs, kGrainPairs, [&](std::int64_t first, std::int64_t last) {
      try {
        std::int64_t replaced = 0;
        for (std::int64_t i = first; i < last; ++i) {
          const auto line = static_cast<std::size_t>(block + i), at = static_cast<std::size_t>(i);
          sources[at] = tokenizer.encode(options.source_prefix + text.source[line], &replaced);
          targets[at] = tokenizer.encode(text.target[line], &replaced);
        }
        invalid += replaced;
      } catch (...) {
        const std::lock_guard lock(error_mutex);
        error = std::current_exception();
      }
    });
    if (error) std::rethrow_exception(error);
    for (std::size_t i = 0; i < sources.size(); ++i) {
      if (sources[i].size() <= empty_source || targets[i].size() <= 1) {
        ++corpus.counts.skipped_empty;
        continue;
      }
      const bool long_source = crop(sources[i], options.max_length);
      const bool long_target = crop(targets[i], options.max_length);
      if (long_source || long_target) {
        ++(options.crop ? corpus.counts.cropped : corpus.counts.skipped_long);
        if (!options.crop) continue;
      }
      const auto line = static_cast<std::size_t>(block) + i;
      corpus.counts.source_unknown.add(tokenizer, sources[i], text.source[line]);
      corpus.counts.target_unknown.add(tokenizer, targets[i], text.target[line]);
      corpus.source.push_back(sources[i]);
      corpus.target.push_back(targets[i]);
    }
  }
  corpus.counts.invalid_utf8 = invalid;
  check(corpus.size() > 0, ErrorKind::kData, name, ": no pair left of ", corpus.counts.pairs, ": ",
        corpus.counts.skipped_empty, " with an empty side, ", corpus.counts.skipped_long,
        " longer than ", options.max_length, " tokens");
  return corpus;
}

}  // namespace switchyard
