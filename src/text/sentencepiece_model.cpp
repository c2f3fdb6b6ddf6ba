// SPDX-License-Identifier: Apache-2.0
#include "src/text/sentencepiece_model.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <unordered_set>
#include <vector>

#include "src/core/error.h"
#include "src/text/charsmap.h"

namespace switchyard {

namespace {

// Up to which SentencePiece 0.1.97 is known to work.
constexpr int kMaxNestedSymbols = 64;

template <class... Parts>
void require(bool ok, const Parts&... parts) {
  check(ok, ErrorKind::kData, parts...);
}

template <class T>
T read_pod(std::string_view bytes) {
  T value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

struct Field {
  std::uint32_t number;
  std::uint32_t wire_type;  // 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes
  std::uint64_t varint = 0;
  std::string_view bytes;
};

// Iterates over the fields of a protobuf message.
class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}

  bool next(Field& field) {
    if (rest_.empty()) return false;
    const std::uint64_t key = varint();
    field.number = static_cast<std::uint32_t>(key >> 3);
    field.wire_type = static_cast<std::uint32_t>(key & 7);
    require(key >> 32 == 0 && field.number != 0, "not a SentencePiece model (bad field key)");
    switch (field.wire_type) {
      case 0:
        field.varint = varint();
        break;
      case 1:
        field.bytes = take(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        field.bytes = take(4);
        break;
      default:
        fail(ErrorKind::kData, "not a SentencePiece model (wire type ", field.wire_type, ")");
    }
    return true;
  }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    fail(ErrorKind::kData, "not a SentencePiece model (varint too long)");
  }

  std::string_view take(std::uint64_t count) {
    require(count <= rest_.size(), "truncated or damaged: a field of ", count, " bytes, but only ",
            rest_.size(), " left");
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_;
};

void read_normalizer(std::string_view bytes, SentencePieceTraits& traits) {
  Message message(bytes);
  for (Field field; message.next(field);) {
    if (field.number == 2 && field.wire_type == 2) check_charsmap(field.bytes);
    if (field.wire_type != 0) continue;
    if (field.number == 3) traits.add_dummy_prefix = field.varint != 0;
    if (field.number == 4) traits.remove_extra_whitespaces = field.varint != 0;
    if (field.number == 5) traits.escape_whitespaces = field.varint != 0;
  }
}

void read_trainer(std::string_view bytes, std::uint32_t& model_type, SentencePieceTraits& traits) {
  Message message(bytes);
  for (Field field; message.next(field);) {
    if (field.wire_type != 0) continue;
    if (field.number == 3) model_type = static_cast<std::uint32_t>(field.varint);
    if (field.number == 24) traits.treat_whitespace_as_suffix = field.varint != 0;
    if (field.number == 35) traits.byte_fallback = field.varint != 0;
  }
}

enum PieceType : std::uint32_t { kNormal = 1, kUnknown = 2, kUserDefined = 4, kUnused = 5 };

struct Piece {
  std::string_view text;
  float score = 0;
  std::uint32_t type = kNormal;
};

Piece parse_piece(std::string_view bytes, std::size_t index) {
  Piece piece;
  Message message(bytes);
  for (Field field; message.next(field);) {
    if (field.number == 1 && field.wire_type == 2) piece.text = field.bytes;
    if (field.number == 2 && field.wire_type == 5) piece.score = read_pod<float>(field.bytes);
    // Drops the upper bits, as protobuf does for enumerations.
    if (field.number == 3 && field.wire_type == 0)
      piece.type = static_cast<std::uint32_t>(field.varint);
  }
  require(!piece.text.empty(), "piece ", index, " is empty");
  require(piece.text.size() <= kMaxPieceBytes, "piece ", index, " has ", piece.text.size(),
          " bytes, expected at most ", kMaxPieceBytes);
  require(piece.text.find('\0') == piece.text.npos, "piece ", index, " contains a NUL");
  require(std::isfinite(piece.score), "piece ", index, " (", escaped(piece.text),
          "): its score is not finite");
  return piece;
}

// Returns the largest number of symbols that are prefixes of one symbol, itself included, which is
// the largest number of matches at one position in a text.
int deepest_nesting(std::vector<std::string_view> symbols) {
  std::sort(symbols.begin(), symbols.end());
  std::vector<std::string_view> open;  // each is a prefix of the next
  std::size_t deepest = 0;
  for (const auto symbol : symbols) {
    while (!open.empty() && !symbol.starts_with(open.back())) open.pop_back();
    open.push_back(symbol);
    deepest = std::max(deepest, open.size());
  }
  return static_cast<int>(deepest);
}

}  // namespace

SentencePieceTraits check_sentencepiece_model(std::string_view bytes) {
  require(!bytes.empty(), "empty, expected a SentencePiece model");
  SentencePieceTraits traits;
  std::size_t pieces = 0, unknowns = 0;
  std::uint32_t model_type = 1;
  std::unordered_set<std::string_view> seen;
  std::vector<std::string_view> user_defined;
  Message message(bytes);
  for (Field field; message.next(field);) {
    if (field.wire_type != 2) continue;
    if (field.number == 1) {
      const Piece piece = parse_piece(field.bytes, pieces++);
      require(seen.insert(piece.text).second, "piece ", pieces - 1, " (", escaped(piece.text),
              ") occurs twice");
      if (piece.type == kUnknown) ++unknowns;
      if (piece.type == kUserDefined) user_defined.push_back(piece.text);
      if (piece.type == kUnused) ++traits.unused;
    } else if (field.number == 2) {
      read_trainer(field.bytes, model_type, traits);
    } else if (field.number == 3) {
      read_normalizer(field.bytes, traits);
    } else if (field.number == 5) {
      SentencePieceTraits ignored;  // of the denormalizer only the charsmap is used
      read_normalizer(field.bytes, ignored);
    }
  }
  require(pieces > 0, "no pieces, expected a SentencePiece model");
  require(unknowns == 1, unknowns, " unknown pieces, expected one");
  require(model_type == 1, "model type ", model_type, ", expected 1 (unigram)");
  require(deepest_nesting(user_defined) <= kMaxNestedSymbols, "user symbols nest deeper than ",
          kMaxNestedSymbols);
  traits.user_defined = static_cast<std::int64_t>(user_defined.size());
  return traits;
}

}  // namespace switchyard
