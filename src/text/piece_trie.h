// SPDX-License-Identifier: Apache-2.0
// Finds which of a set of byte strings a text starts with. A trie whose nodes are only those where
// strings end or diverge, so that it has at most two per string, whatever the strings are.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

class PieceTrie {
 public:
  // `pieces` are distinct, not empty, and have at most 65,535 bytes each and 4 GiB in all.
  explicit PieceTrie(std::span<const std::string> pieces);

  std::int32_t size() const { return static_cast<std::int32_t>(begin_.size()) - 1; }
  std::string_view piece(std::int32_t index) const {
    const std::uint32_t* begin = &begin_[static_cast<std::size_t>(index)];
    return std::string_view(bytes_).substr(begin[0], begin[1] - begin[0]);
  }

  // Calls found(bytes, index) for each piece that `text` starts with, shortest first.
  template <class F>
  void prefixes(std::string_view text, F&& found) const {
    std::size_t matched = 0;
    for (const Node* node = nodes_.empty() ? nullptr : &nodes_[0]; node;) {
      const std::string_view edge =
          piece(node->sample).substr(matched, std::size_t{node->depth} - matched);
      if (!text.substr(matched).starts_with(edge)) return;
      matched = node->depth;
      if (node->piece >= 0) found(matched, node->piece);
      if (matched == text.size()) return;
      node = child(*node, static_cast<unsigned char>(text[matched]));
    }
  }
  // The index of a piece, or -1.
  std::int32_t find(std::string_view text) const;

 private:
  struct Node {
    std::uint32_t first_child = 0;
    std::int32_t sample = 0;  // a piece that starts with this node's string
    std::int32_t piece = -1;  // the piece that is this node's string
    std::uint16_t depth = 0;  // bytes of this node's string
    std::uint16_t children = 0;
    std::uint8_t byte = 0;  // by which its parent finds it; children are in order
  };

  const Node* child(const Node& node, std::uint8_t byte) const {
    const Node* begin = nodes_.data() + node.first_child;
    const Node* end = begin + node.children;
    const Node* found = std::lower_bound(begin, end, byte,
                                         [](const Node& n, std::uint8_t b) { return n.byte < b; });
    return found != end && found->byte == byte ? found : nullptr;
  }

  std::string bytes_;
  std::vector<std::uint32_t> begin_;  // of each piece in bytes_, and the end
  std::vector<Node> nodes_;
};

}  // namespace switchyard
