// SPDX-License-Identifier: Apache-2.0
// Segments words with a unigram model (Kudo 2018, arXiv 1804.10959, section 3.1): the pieces whose
// scores have the largest sum. Sums, ties and unknown characters as in Hugging Face's `tokenizers`
// 0.23.3, with its scores in double precision.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/core/ids.h"
#include "src/text/piece_trie.h"

namespace switchyard {

class Unigram {
 public:
  // `pieces` as PieceTrie's; scores are finite, one per piece; `unk_id` is one of the pieces.
  Unigram(std::span<const std::string> pieces, std::vector<double> scores, std::int32_t unk_id);

  std::int32_t size() const { return trie_.size(); }
  std::int32_t unk_id() const { return unk_id_; }
  std::string_view piece(std::int32_t id) const { return trie_.piece(id); }
  std::int32_t find(std::string_view piece) const { return trie_.find(piece); }

  // A part of a word and its piece.
  struct Segment {
    std::string_view text;
    std::int32_t id;
  };
  // Appends the segments of a word, valid UTF-8, without pieces that are `hidden`, one flag per
  // piece. A run of unknown characters is one segment. Takes time proportional to the length of the
  // word times that of the longest piece.
  void segment(std::string_view word, const std::vector<bool>& hidden,
               std::vector<Segment>& segments) const;

 private:
  PieceTrie trie_;
  std::vector<double> scores_;
  std::int32_t unk_id_;
  double unk_score_;
};

}  // namespace switchyard
