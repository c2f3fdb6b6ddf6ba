// SPDX-License-Identifier: Apache-2.0
#include "src/text/tokenizer.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "src/core/error.h"
#include "src/text/utf8.h"
#include "tests/support/catch.h"
#include "tests/text/small_tokenizer.h"

using namespace switchyard;

namespace {

// Writes protobuf, as far as a SentencePiece model needs it.
std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(0x80 | (value & 0x7F));
  return out + static_cast<char>(value);
}
std::string bytes_field(int number, const std::string& bytes) {
  return varint(static_cast<std::uint64_t>(number) << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string piece(const std::string& text, float score, int type = 1) {
  std::string four(4, '\0');
  std::memcpy(four.data(), &score, 4);
  return bytes_field(1, bytes_field(1, text) + varint(2 << 3 | 5) + four + varint(3 << 3) +
                            varint(static_cast<std::uint64_t>(type)));
}
std::string model(const std::string& more) {
  return piece("<pad>", 0, 3) + piece("</s>", 0, 3) + piece("<unk>", 0, 2) + piece("▁", -1) +
         piece("a", -2) + more;
}
std::string with_charsmap(std::string units, const std::string& replacements) {
  std::string size(4, '\0');
  const auto count = static_cast<std::uint32_t>(units.size());
  std::memcpy(size.data(), &count, 4);
  return model(bytes_field(3, bytes_field(2, size + units + replacements)));
}
void set_unit(std::string& units, std::size_t position, std::uint32_t unit) {
  std::memcpy(units.data() + 4 * position, &unit, 4);
}
// A trie with the given root, whose other units match no byte.
std::string trie(std::uint32_t root, std::size_t count = 256) {
  std::string units(count * 4, '\0');
  for (std::size_t i = 0; i < count; ++i) set_unit(units, i, 1u << 31);
  set_unit(units, 0, root);
  return units;
}
constexpr std::uint32_t kOffset1 = 1u << 10;  // children are at 1 ^ byte
constexpr std::uint32_t kWide = 1u << 9;      // the offset is in units of 256
constexpr std::uint32_t kLeaf = 1u << 8;

// A trie with a single path of b's; every node, including the root, has this leaf bit.
std::string chain(std::uint32_t levels, std::uint32_t leaf) {
  std::string units = trie(256u << 10 | leaf, 256 * (levels + 2));
  for (std::uint32_t level = 1; level <= levels; ++level) {
    const std::uint32_t at = (256 * level) ^ 'b', base = 256 * (level + 1);
    set_unit(units, at, (at ^ base) << 10 | leaf | 'b');
  }
  return units;
}

Tokenizer load(const std::string& bytes) { return Tokenizer::from_bytes(bytes, "x.model"); }

void check_refused(const std::string& bytes, const std::string& reason) {
  try {
    load(bytes);
    FAIL("loaded");
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kData);
    CAPTURE(e.what());
    CHECK(std::string(e.what()).starts_with("x.model: "));
    CHECK(std::string(e.what()).find(reason) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("text is encoded and decoded") {
  const Tokenizer& t = small_tokenizer();
  CHECK(t.pad_id() == 0);
  CHECK(t.eos_id() == 1);
  CHECK(t.unk_id() == 2);
  CHECK(t.vocab_size() <= 80);
  for (const auto& sentence : small_sentences(20)) {
    const Ids ids = t.encode(sentence);
    CHECK(ids.back() == 1);
    CHECK(std::count(ids.begin(), ids.end(), 1) == 1);
    CHECK(t.decode(ids) == sentence);
  }
  CHECK(t.decode(Ids{0, 1, 0}).empty());
  for (const char* empty : {"", "  ", "\u3000", "\u200b", "\r"}) CHECK(t.encode(empty) == Ids{1});
  CHECK_THROWS_AS(t.decode(Ids{t.vocab_size()}), Error);
  CHECK_THROWS_AS(t.decode(Ids{-1}), Error);
}

TEST_CASE("control tokens spelled out stay text") {
  for (const char* text : {"the </s> train", "<pad>", "</s>", "a<unk>b", "<extra_id_0>"}) {
    CAPTURE(text);
    Ids ids = small_tokenizer().encode(text);
    CHECK(ids.back() == 1);
    ids.pop_back();
    CHECK(std::count(ids.begin(), ids.end(), 0) == 0);
    CHECK(std::count(ids.begin(), ids.end(), 1) == 0);
  }
}

TEST_CASE("any bytes can be encoded") {
  std::int64_t replaced = 0;
  const Ids ids = small_tokenizer().encode("Zug \xC0\xAF \xED\xA0\x80 fährt\xE2\x82", &replaced);
  CHECK(replaced == 6);
  const std::string text = small_tokenizer().decode(ids);
  CHECK(valid_utf8(text) == text);
  CHECK(small_tokenizer().encode(std::string("the\0train", 9)).size() > 2);
}

TEST_CASE("long lines have the same ids, in bounded time") {
  const Tokenizer& t = small_tokenizer();
  Ids expected;
  std::string line;
  for (const auto& sentence : small_sentences(1000)) {
    const Ids ids = t.encode(sentence);
    expected.insert(expected.end(), ids.begin(), ids.end() - 1);
    line += sentence + " ";
  }
  expected.push_back(1);
  CHECK(line.size() > 20000);
  CHECK(t.encode(line) == expected);
  CHECK(t.encode(std::string(3 << 20, 'x')).size() > 2);
  std::string wide;
  for (int i = 0; i < 300000; ++i) wide += "€";
  CHECK(valid_utf8(t.decode(t.encode(wide))).size() > 2);
}

TEST_CASE("the same sentences train the same model") {
  const Tokenizer again = train_tokenizer(small_sentences(400), 80);
  CHECK(again.hash() == small_tokenizer().hash());
  CHECK(model_bytes(again) == model_bytes(small_tokenizer()));
  const Tokenizer other = train_tokenizer(small_sentences(300), 80);
  CHECK(other.hash() != small_tokenizer().hash());
  const Tokenizer copy = load(model_bytes(small_tokenizer()));
  CHECK(copy.encode("the train leaves") == small_tokenizer().encode("the train leaves"));
}

TEST_CASE("a tokenizer saves the files that transformers needs") {
  const TempDirectory directory;
  small_tokenizer().save(directory.path());
  CHECK(Tokenizer::load(directory / "spiece.model").hash() == small_tokenizer().hash());
  CHECK(read_text(directory / "tokenizer_config.json") ==
        "{\n  \"eos_token\": \"</s>\",\n  \"extra_ids\": 0,\n  \"pad_token\": \"<pad>\",\n"
        "  \"tokenizer_class\": \"T5Tokenizer\",\n  \"unk_token\": \"<unk>\"\n}\n");
  CHECK(read_text(directory / "special_tokens_map.json") ==
        "{\n  \"eos_token\": \"</s>\",\n  \"pad_token\": \"<pad>\",\n  \"unk_token\": "
        "\"<unk>\"\n}\n");
}

TEST_CASE("tokens that start a word") {
  const Tokenizer& t = small_tokenizer();
  const Ids ids = t.encode("the train leaves");
  CHECK(std::count_if(ids.begin(), ids.end(), [&](auto id) { return t.starts_word(id); }) == 3);
  CHECK(t.starts_word(ids.front()));
  for (const int id : {t.pad_id(), t.eos_id(), t.unk_id()}) CHECK(!t.starts_word(id));
  const Tokenizer small = load(model(""));
  CHECK(small.starts_word(3));   // "▁"
  CHECK(!small.starts_word(4));  // "a"
  CHECK_THROWS_AS(t.starts_word(t.vocab_size()), Error);
}

TEST_CASE("a vocabulary needs text") {
  CHECK_THROWS_AS(train_tokenizer({}, 80), Error);
  CHECK_THROWS_AS(train_tokenizer({"", " ", "\u3000", "\u2581", "\u2585", "\xFF", "\u00ad"}, 80),
                  Error);
  CHECK_THROWS_AS(train_tokenizer(small_sentences(50), 5), Error);
}

TEST_CASE("hand-made models load") {
  CHECK(load(model("")).vocab_size() == 5);
  CHECK(load(with_charsmap(trie(kOffset1), std::string(1, '\0'))).encode("a") == Ids{3, 4, 1});
  std::string nested, symbol;
  for (int i = 0; i < 64; ++i) nested += piece(symbol += 'b', 0, 4);
  CHECK(load(model(nested)).encode(std::string(64, 'b')).size() == 3);
}

// SentencePiece 0.1.97 either works with each of these or rejects it itself.
TEST_CASE("bad models are rejected") {
  const std::string good = model("");
  check_refused("", "empty");
  check_refused("<!DOCTYPE html>", "");
  check_refused(good.substr(0, good.size() - 1), "truncated or damaged");
  check_refused("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "truncated or damaged");
  check_refused(std::string(1000, '\x0b'), "wire type 3");
  check_refused(std::string(20, '\xff'), "varint too long");
  check_refused(model(std::string(2, '\0')), "bad field key");
  check_refused(model(piece("", 0)), "empty");
  check_refused(model(piece(std::string(1025, 'x'), 0)), "1025 bytes");
  check_refused(model(piece(std::string("x\0y", 3), 0)), "NUL");
  check_refused(model(piece("a", 0)), "twice");
  check_refused(model(piece("x", std::numeric_limits<float>::quiet_NaN())), "not finite");
  check_refused(model(piece("x", std::numeric_limits<float>::infinity())), "not finite");
  check_refused(model(piece("x", 0, 2)), "2 unknown");
  check_refused(piece("a", 0), "0 unknown");
  check_refused(piece("<unk>", 0, 2) + piece("a", 0), "no end-of-sentence piece");
  check_refused(model(bytes_field(2, varint(3 << 3) + varint(2))), "model type 2");
  std::string nested, symbol;
  for (int i = 0; i < 65; ++i) nested += piece(symbol += 'b', 0, 4);
  const std::string bytes_missing = bytes_field(2, varint(35 << 3) + varint(1));
  check_refused(model(nested + bytes_missing), "nest deeper");

  const std::string end(1, '\0');
  check_refused(model(bytes_field(3, bytes_field(2, "abc"))), "charsmap: truncated");
  check_refused(with_charsmap(trie(kOffset1), ""), "charsmap: a trie of");
  check_refused(with_charsmap(trie(kOffset1), "x"), "NUL");
  // Lookups past the end of these tries match nothing.
  const std::string padding = trie(1u << 31) + end;
  check_refused(with_charsmap(trie(kOffset1, 8), padding), "charsmap: a trie of");
  check_refused(with_charsmap(trie(256u << 10), padding), "out of range");  // root's children
  check_refused(with_charsmap(trie(kOffset1 | kWide), padding), "out of range");
  std::string leaf = trie(kOffset1 | kLeaf);
  set_unit(leaf, 1, 1u << 31 | 100);  // its value
  check_refused(with_charsmap(leaf, end), "a replacement is out of range");
  // The root's child for 'A' has the root's children as its own.
  std::string loop = trie(kOffset1);
  set_unit(loop, 1 ^ 'A', std::uint32_t{'A'} << 10 | 'A');
  check_refused(with_charsmap(loop, end), "loop");
  check_refused(with_charsmap(chain(257, 0), end), "loop");
  check_refused(with_charsmap(chain(32, kLeaf), "b" + end), "rules nest too deep");
}

TEST_CASE("damaged models are rejected or work") {
  // Not trained, so that the bytes do not depend on the trainer.
  std::string more;
  for (const char* text :
       {"Z", "u", "g", "ug", "▁Z", "f", "ä", "h", "r", "t", "hrt", "▁f", "B", "C"})
    more += piece(text, -3);
  const std::string good = model(more);
  Rng rng(11);
  int loaded = 0;
  for (int i = 0; i < 150; ++i) {
    std::string bytes = good;
    if (i % 3 == 0) bytes.resize(rng.below(bytes.size()));
    for (int flips = 0; flips < 1 + i % 5; ++flips)
      if (!bytes.empty()) bytes[rng.below(bytes.size())] ^= static_cast<char>(1u << rng.below(8));
    try {
      const Tokenizer t = load(bytes);
      t.decode(t.encode("Zug \u3000 fährt ½ \u00ad ﬁ ABC e\u0301 </s> 日本 \x01"));
      ++loaded;
    } catch (const Error& e) {
      CHECK(e.kind() == ErrorKind::kData);
    }
  }
  CAPTURE(loaded);
  CHECK(loaded < 150);
}
