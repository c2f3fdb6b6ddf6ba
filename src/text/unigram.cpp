// SPDX-License-Identifier: Apache-2.0
#include "src/text/unigram.h"

#include <algorithm>
#include <utility>

#include "src/core/utf8.h"

namespace switchyard {

namespace {

// SentencePiece's kUnkPenalty: what an unknown character scores below the lowest score.
constexpr double kUnknownPenalty = 10;

// The best segmentation that ends at a byte.
struct Best {
  double score = 0;
  std::int32_t begin = -1;  // of its last piece; -1: none ends here
  std::int32_t id = 0;
};

}  // namespace

Unigram::Unigram(std::span<const std::string> pieces, std::vector<double> scores,
                 std::int32_t unk_id)
    : trie_(pieces),
      scores_(std::move(scores)),
      unk_id_(unk_id),
      unk_score_(*std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty) {}

void Unigram::segment(std::string_view word, const std::vector<bool>& hidden,
                      std::vector<Segment>& segments) const {
  std::vector<Best> best(word.size() + 1);
  for (std::size_t begin = 0; begin < word.size();) {
    const double before = best[begin].score;
    // The first of equal scores stays.
    const auto extend = [&](std::size_t bytes, std::int32_t id, double score) {
      Best& end = best[begin + bytes];
      const double sum = score + before;
      if (end.begin < 0 || sum > end.score) end = {sum, static_cast<std::int32_t>(begin), id};
    };
    const std::size_t character = decode_first(word.substr(begin)).bytes;
    bool known = false;  // whether the next character is a piece
    trie_.prefixes(word.substr(begin), [&](std::size_t bytes, std::int32_t id) {
      if (hidden[static_cast<std::size_t>(id)]) return;
      extend(bytes, id, scores_[static_cast<std::size_t>(id)]);
      known = known || bytes == character;
    });
    if (!known) extend(character, unk_id_, unk_score_);
    begin += character;
  }
  const std::size_t first = segments.size();
  for (std::size_t end = word.size(); end > 0;) {
    const auto begin = static_cast<std::size_t>(best[end].begin);
    const std::int32_t id = best[end].id;
    if (id == unk_id_ && segments.size() > first && segments.back().id == unk_id_)
      segments.back().text = word.substr(begin, end - begin + segments.back().text.size());
    else
      segments.push_back({word.substr(begin, end - begin), id});
    end = begin;
  }
  std::reverse(segments.begin() + static_cast<std::ptrdiff_t>(first), segments.end());
  // Unknown characters side by side may spell a piece.
  for (std::size_t i = first; i < segments.size(); ++i)
    if (segments[i].id == unk_id_)
      if (const std::int32_t id = find(segments[i].text);
          id >= 0 && !hidden[static_cast<std::size_t>(id)])
        segments[i].id = id;
}

}  // namespace switchyard
