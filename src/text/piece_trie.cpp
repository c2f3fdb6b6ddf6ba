// SPDX-License-Identifier: Apache-2.0
#include "src/text/piece_trie.h"

#include <cassert>
#include <numeric>

namespace switchyard {

PieceTrie::PieceTrie(std::span<const std::string> pieces) {
  begin_.reserve(pieces.size() + 1);
  for (const std::string& piece : pieces) {
    assert(!piece.empty() && piece.size() <= 0xFFFF);
    begin_.push_back(static_cast<std::uint32_t>(bytes_.size()));
    bytes_ += piece;
  }
  begin_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  if (pieces.empty()) return;

  std::vector<std::int32_t> sorted(pieces.size());
  std::iota(sorted.begin(), sorted.end(), 0);
  std::sort(sorted.begin(), sorted.end(),
            [&](std::int32_t a, std::int32_t b) { return piece(a) < piece(b); });

  // nodes_[i] is for the sorted pieces from begin to end.
  struct Range {
    std::size_t begin, end;
  };
  std::vector<Range> ranges = {{0, sorted.size()}};
  nodes_.emplace_back();
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    auto [begin, end] = ranges[i];
    const std::string_view first = piece(sorted[begin]), last = piece(sorted[end - 1]);
    const auto depth = static_cast<std::size_t>(
        std::mismatch(first.begin(), first.end(), last.begin(), last.end()).first - first.begin());
    nodes_[i].sample = sorted[begin];
    nodes_[i].depth = static_cast<std::uint16_t>(depth);
    nodes_[i].first_child = static_cast<std::uint32_t>(nodes_.size());
    if (first.size() == depth) nodes_[i].piece = sorted[begin++];
    while (begin < end) {
      const char byte = piece(sorted[begin])[depth];
      const auto next =
          std::partition_point(sorted.begin() + static_cast<std::ptrdiff_t>(begin),
                               sorted.begin() + static_cast<std::ptrdiff_t>(end),
                               [&](std::int32_t p) { return piece(p)[depth] == byte; });
      ranges.push_back({begin, static_cast<std::size_t>(next - sorted.begin())});
      nodes_.emplace_back().byte = static_cast<std::uint8_t>(byte);
      ++nodes_[i].children;
      begin = ranges.back().end;
    }
  }
}

std::int32_t PieceTrie::find(std::string_view text) const {
  std::int32_t found = -1;
  prefixes(text, [&](std::size_t bytes, std::int32_t index) {
    if (bytes == text.size()) found = index;
  });
  return found;
}

}  // namespace switchyard
