// SPDX-License-Identifier: Apache-2.0
#include "src/text/graphemes.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "src/core/utf8.h"

namespace switchyard {

namespace {

// Grapheme_Cluster_Break. Extend is divided by Indic_Conjunct_Break, and consonants are those of
// Indic_Conjunct_Break.
enum Class : std::uint8_t {
  kOther,
  kCr,
  kLf,
  kControl,
  kExtend,
  kConjunctExtend,
  kLinker,
  kZwj,
  kPrepend,
  kSpacingMark,
  kRegional,
  kPictographic,
  kConsonant,
  kLead,
  kVowel,
  kTrail,
  kLv,
  kLvt
};

struct Range {
  char32_t first, last;
  Class name;
};

#include "src/text/grapheme_ranges.inc"

Class class_of(char32_t c) {
  if (c < 0x7F) return c >= ' ' ? kOther : c == '\r' ? kCr : c == '\n' ? kLf : kControl;
  if (c >= 0xAC00 && c <= 0xD7A3) return (c - 0xAC00) % 28 == 0 ? kLv : kLvt;
  const Range* after =
      std::upper_bound(std::begin(kRanges), std::end(kRanges), c,
                       [](char32_t x, const Range& range) { return x < range.first; });
  return after != std::begin(kRanges) && c <= after[-1].last ? after[-1].name : kOther;
}

bool is_extend(Class c) { return c == kExtend || c == kConjunctExtend || c == kLinker; }
bool is_control(Class c) { return c == kCr || c == kLf || c == kControl; }

// The part of a cluster that has been read, as far as later characters depend on it.
class Cluster {
 public:
  explicit Cluster(Class first) { append(first); }

  bool continues_with(Class c) const {
    if (last_ == kCr && c == kLf) return true;             // GB3
    if (is_control(last_) || is_control(c)) return false;  // GB4, GB5
    if (last_ == kLead && (c == kLead || c == kVowel || c == kLv || c == kLvt)) return true;  // GB6
    if ((last_ == kLv || last_ == kVowel) && (c == kVowel || c == kTrail)) return true;       // GB7
    if ((last_ == kLvt || last_ == kTrail) && c == kTrail) return true;                       // GB8
    if (is_extend(c) || c == kZwj || c == kSpacingMark) return true;  // GB9, GB9a
    if (last_ == kPrepend) return true;                               // GB9b
    if (c == kConsonant) return conjunct_ == kLinked;                 // GB9c
    if (c == kPictographic) return emoji_ == kJoined;                 // GB11
    return c == kRegional && odd_regional_;                           // GB12, GB13
  }

  void append(Class c) {
    if (c == kConsonant) {
      conjunct_ = kConsonantSeen;
    } else if (c == kLinker) {
      conjunct_ = conjunct_ == kNone ? kNone : kLinked;
    } else if (c != kConjunctExtend && c != kZwj) {
      conjunct_ = kNone;
    }
    if (c == kPictographic) {
      emoji_ = kPictographicSeen;
    } else if (c == kZwj) {
      emoji_ = emoji_ == kPictographicSeen ? kJoined : kNoEmoji;
    } else if (!is_extend(c) || emoji_ == kJoined) {
      emoji_ = kNoEmoji;
    }
    odd_regional_ = c == kRegional && !odd_regional_;
    last_ = c;
  }

 private:
  Class last_ = kOther;
  enum { kNone, kConsonantSeen, kLinked } conjunct_ = kNone;        // consonant, then a linker
  enum { kNoEmoji, kPictographicSeen, kJoined } emoji_ = kNoEmoji;  // pictographic, then a joiner
  bool odd_regional_ = false;
};

}  // namespace

std::size_t first_grapheme(std::string_view text) {
  const Decoded first = decode_first(text);
  std::size_t end = first.bytes;
  for (Cluster cluster(class_of(first.code_point)); end < text.size();) {
    const Decoded next = decode_first(text.substr(end));
    const Class c = class_of(next.code_point);
    if (!cluster.continues_with(c)) break;
    cluster.append(c);
    end += next.bytes;
  }
  return end;
}

}  // namespace switchyard
