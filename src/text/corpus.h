// SPDX-License-Identifier: Apache-2.0
// Parallel text: files -> lines -> pairs of ids, encoded once and kept in memory.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/core/ids.h"
#include "src/text/line_reader.h"
#include "src/text/pair_source.h"
#include "src/text/tokenizer.h"
#include "src/text/vocabulary_fit.h"

namespace switchyard {

struct ParallelText {
  std::vector<std::string> source;
  std::vector<std::string> target;
};

// Reads two files line by line. Error(kData) if their numbers of lines differ or are 0.
ParallelText read_parallel(const std::filesystem::path& source,
                           const std::filesystem::path& target);
// Reads one file of "source TAB target". Error(kData) with FILE:LINE unless a row has one tab.
ParallelText read_tsv(const std::filesystem::path& path);

// Id sequences back to back in one array.
struct Sequences {
  std::vector<std::int32_t> ids;
  std::vector<std::int64_t> offsets = {0};
  std::int64_t longest = 0;  // tokens of the longest sequence

  std::int64_t size() const { return static_cast<std::int64_t>(offsets.size()) - 1; }
  std::int64_t length(std::int64_t i) const {
    return offsets[static_cast<std::size_t>(i) + 1] - offsets[static_cast<std::size_t>(i)];
  }
  std::span<const std::int32_t> operator[](std::int64_t i) const {
    return std::span(ids).subspan(static_cast<std::size_t>(offsets[static_cast<std::size_t>(i)]),
                                  static_cast<std::size_t>(length(i)));
  }
  void push_back(std::span<const std::int32_t> sequence) {
    ids.insert(ids.end(), sequence.begin(), sequence.end());
    offsets.push_back(static_cast<std::int64_t>(ids.size()));
    longest = std::max(longest, static_cast<std::int64_t>(sequence.size()));
  }
};

// Crops ids to `max_length` >= 1 of them, keeping the last one (eos). Returns true if it cropped.
bool crop(Ids& ids, std::int64_t max_length);

struct CorpusOptions {
  std::int64_t max_length = 128;  // tokens per side, eos included
  bool crop = false;              // crop longer sides (eos kept) instead of skipping the pair
  std::string source_prefix;  // prepended to every source line ("translate English to German: ")
};

// Statistics of reading the pairs.
struct CorpusCounts {
  std::int64_t pairs = 0;          // read
  std::int64_t skipped_empty = 0;  // with no token on one side or both
  std::int64_t skipped_long = 0;
  std::int64_t cropped = 0;                      // pairs with a cropped side
  std::int64_t invalid_utf8 = 0;                 // sequences replaced by U+FFFD
  UnknownTokens source_unknown, target_unknown;  // of the pairs kept
};

// Pairs of ids in memory, all non-empty, eos last: the same in every epoch.
struct Corpus final : PairSource {
  Sequences source;
  Sequences target;
  CorpusCounts counts;

  std::int64_t size() const override { return source.size(); }
  PairBounds bounds() const override;
  PairLength length(std::int64_t epoch, std::int64_t index) const override;
  void read(std::int64_t epoch, std::int64_t index, Ids& source_ids,
            Ids& target_ids) const override;
  std::uint64_t hash() const override;
};

// Encodes all pairs. Error(kData) if none is left. Messages call the files `name`.
Corpus encode_corpus(const Tokenizer& tokenizer, const ParallelText& text,
                     const CorpusOptions& options, int threads, std::string_view name);

}  // namespace switchyard
