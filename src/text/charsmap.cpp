// SPDX-License-Identifier: Apache-2.0
#include "src/text/charsmap.h"

#include <algorithm>
#include <cstring>

#include "src/core/error.h"
#include "src/text/utf8.h"

namespace switchyard {

namespace {

// Limits within which SentencePiece 0.1.97 is known to work. By default it writes rules with left
// sides of up to 18 bytes.
constexpr int kMaxNestedRules = 32;
constexpr int kMaxRuleBytes = 256;
// Bounds the memory that a text takes. NFKC's longest replacement has 33 bytes.
constexpr std::size_t kMaxReplacementBytes = 1024;

template <class... Parts>
void require(bool ok, const Parts&... parts) {
  check(ok, ErrorKind::kData, "charsmap: ", parts...);
}

// The fields of a trie's unit (Darts-clone's darts.h, DoubleArrayUnit).
bool has_leaf(std::uint32_t unit) { return (unit >> 8) & 1u; }
std::uint32_t label(std::uint32_t unit) { return unit & ((1u << 31) | 0xFFu); }
std::uint32_t value(std::uint32_t unit) { return unit & 0x7FFFFFFFu; }
std::size_t children(std::size_t position, std::uint32_t unit) {
  return position ^ ((unit >> 10) << ((unit & (1u << 9)) >> 6));
}

struct Parts {
  std::vector<std::uint32_t> units;
  std::string_view replacements;
};

// The size of the trie (u32), the trie, and the replacements.
Parts parse(std::string_view bytes) {
  require(bytes.size() > 4, "truncated");
  std::uint32_t trie_bytes = 0;
  std::memcpy(&trie_bytes, bytes.data(), sizeof(trie_bytes));
  bytes.remove_prefix(4);
  require(trie_bytes < bytes.size() && trie_bytes % 4 == 0 && trie_bytes >= 1024, "a trie of ",
          trie_bytes, " bytes in ", bytes.size());
  Parts parts{std::vector<std::uint32_t>(trie_bytes / 4), bytes.substr(trie_bytes)};
  require(parts.replacements.back() == '\0', "the replacements do not end in NUL");
  std::memcpy(parts.units.data(), bytes.data(), trie_bytes);
  return parts;
}

// Walks a trie as Darts-clone's commonPrefixSearch does. Common suffixes are shared, so its nodes
// form an acyclic graph.
class Checker {
 public:
  explicit Checker(const Parts& parts)
      : units_(parts.units),
        replacements_(parts.replacements),
        leaves_below_(parts.units.size(), kNew) {}

  void check() { require(leaves_below(0, 0) <= kMaxNestedRules, "rules nest too deep"); }

 private:
  static constexpr int kNew = -1, kOpen = -2;

  // Returns the largest number of leaves on a path that starts at this unit.
  int leaves_below(std::size_t position, int depth) {
    int& known = leaves_below_[position];
    require(known != kOpen && depth <= kMaxRuleBytes, "the trie has a loop");
    if (known != kNew) return known;
    known = kOpen;
    const std::uint32_t unit = units_[position];
    const std::size_t base = children(position, unit);
    // Any byte may come next in a text.
    require((base | 0xFF) < units_.size(), "a trie node is out of range");
    if (has_leaf(unit)) {
      const std::size_t begin = value(units_[base]);
      require(begin < replacements_.size(), "a replacement is out of range");
      const std::string_view replacement = replacements_.substr(begin, kMaxReplacementBytes + 1);
      require(replacement.find('\0') != replacement.npos, "a replacement is longer than ",
              kMaxReplacementBytes, " bytes");
    }
    int most = 0;
    for (std::uint32_t byte = 0; byte < 256; ++byte)
      if (label(units_[base ^ byte]) == byte)
        most = std::max(most, leaves_below(base ^ byte, depth + 1));
    return known = most + (has_leaf(unit) ? 1 : 0);
  }

  const std::vector<std::uint32_t>& units_;
  std::string_view replacements_;
  std::vector<int> leaves_below_;
};

}  // namespace

void check_charsmap(std::string_view bytes) {
  if (!bytes.empty()) Checker(parse(bytes)).check();
}

Charsmap::Charsmap(std::string_view bytes) {
  if (bytes.empty()) return;
  Parts parts = parse(bytes);
  Checker(parts).check();
  std::int64_t replaced = 0;
  valid_utf8(parts.replacements, &replaced);
  require(replaced == 0, "the replacements are not UTF-8");
  units_ = std::move(parts.units);
  replacements_ = parts.replacements;
}

std::optional<std::string_view> Charsmap::shortest(std::string_view text) const {
  if (empty()) return std::nullopt;
  std::size_t at = children(0, units_[0]);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) break;
    const std::uint32_t unit = units_[at ^ byte];
    if (label(unit) != byte) break;
    at = children(at ^ byte, unit);
    if (!has_leaf(unit)) continue;
    const std::size_t begin = value(units_[at]);
    return std::string_view(replacements_).substr(begin, replacements_.find('\0', begin) - begin);
  }
  return std::nullopt;
}

}  // namespace switchyard
