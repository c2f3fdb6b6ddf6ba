// SPDX-License-Identifier: Apache-2.0
// Which text a vocabulary covers, and which text it changes.
#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "src/core/error.h"
#include "src/text/tokenizer.h"
#include "src/text/utf8.h"
#include "src/text/vocabulary_fit.h"
#include "tests/support/catch.h"
#include "tests/text/small_tokenizer.h"

using namespace switchyard;

namespace {

bool knows(const Tokenizer& tokenizer, std::string_view text) {
  const Ids ids = tokenizer.encode(text);
  return std::count(ids.begin(), ids.end(), tokenizer.unk_id()) == 0;
}

std::string repeated(std::string_view text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

// Protobuf fields of less than 128 bytes: a number or a message. Appended to a complete model, a
// message's fields override earlier ones, and a piece is added to the others.
std::string key(int number, int wire_type) {
  const int key = number << 3 | wire_type;
  return key < 128 ? std::string{static_cast<char>(key)}
                   : std::string{static_cast<char>(key | 128), static_cast<char>(key >> 7)};
}
std::string field(int number, int value) { return key(number, 0) + static_cast<char>(value); }
std::string field(int number, const std::string& message) {
  return key(number, 2) + static_cast<char>(message.size()) + message;
}
std::string piece(const std::string& text, int type) {
  return field(1, field(1, text) + field(3, type));
}

}  // namespace

TEST_CASE("letters that occur in long lines only are in the vocabulary") {
  std::vector<std::string> lines = small_sentences(570);
  SECTION("with spaces") {
    for (int i = 0; i < 30; ++i) lines.push_back(repeated("где лежит снег ", 400));
  }
  SECTION("without spaces, where the last character crosses the cut") {
    for (int i = 0; i < 4; ++i)
      lines.push_back(std::string(static_cast<std::size_t>(i), 'a') + repeated("гделжитсн", 400));
  }
  SECTION("at the end of a line of many parts") {
    lines.push_back(repeated("the train leaves ", 5000) + "где лежит снег");
  }
  SECTION("next to characters that the trainer does not read") {
    lines.push_back("\u2585 где" + std::string(1, '\0') + "лежит\u2585снег");
  }
  const Tokenizer tokenizer = train_tokenizer(lines, 200);
  CHECK(knows(tokenizer, "где лежит снег"));
  for (int id = 0; id < tokenizer.vocab_size(); ++id)
    CHECK(valid_utf8(tokenizer.piece(id)) == tokenizer.piece(id));
}

TEST_CASE("a vocabulary too small for the text's characters names a sufficient size") {
  std::vector<std::string> lines = small_sentences(100);
  for (char32_t c = 0x4E00; c < 0x4E00 + 300; ++c) {
    lines.emplace_back();
    append_utf8(lines.back(), c);
  }
  std::set<char32_t> characters;
  for (const std::string& line : lines)
    for (const char32_t c : to_code_points(line)) characters.insert(c);
  const auto needed = static_cast<int>(characters.size()) + 3;
  try {
    train_tokenizer(lines, 60);
    FAIL("trained");
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kData);
    CHECK(std::string(e.what()) ==
          "the text has " + std::to_string(characters.size()) +
              " distinct characters, each of which needs its own piece besides <pad>, </s> and "
              "<unk>; found --vocab-size 60, expected at least " +
              std::to_string(needed));
  }
  CHECK_THROWS_AS(train_tokenizer(lines, needed - 1), Error);
  CHECK(train_tokenizer(lines, needed).vocab_size() == needed);
}

TEST_CASE("each normalization does what its name says") {
  struct Case {
    const char* normalization;
    const char* text;  // of "Über，１０ ½！"
  };
  for (const auto& [normalization, text] :
       {Case{"nmt_nfkc", "Über,10 1⁄2!"}, Case{"nfkc", "Über,10 1⁄2!"},
        Case{"nmt_nfkc_cf", "über,10 1⁄2!"}, Case{"nfkc_cf", "über,10 1⁄2!"},
        Case{"identity", "Über，１０ ½！"}}) {
    CAPTURE(normalization);
    std::vector<std::string> lines = small_sentences(20);
    lines.emplace_back("Über，１０ ½！");
    const Tokenizer tokenizer = train_tokenizer(lines, 100, normalization);
    CHECK(tokenizer.decode(tokenizer.encode(lines.back())) == text);
  }
  CHECK(train_tokenizer(small_sentences(400), 80, "nmt_nfkc").hash() == small_tokenizer().hash());
  CHECK_THROWS_AS(train_tokenizer(small_sentences(20), 80, "nfd"), Error);
}

TEST_CASE("lines that normalization changes are counted and shown") {
  std::vector<std::string> lines = small_sentences(8);
  lines[2] = "the train leaves the station，a switch！";
  lines[5] = "ﬀ";
  const Tokenizer tokenizer = train_tokenizer(lines, 100);
  lines[0] += "\u3000 \u00a0";  // whitespace does not count
  lines[6] = "где，";           // neither do lines with unknown tokens
  lines.emplace_back();
  const ChangedLines all = changed_lines(tokenizer, lines, 100);
  CHECK(all.lines == 9);
  CHECK(all.changed == 2);
  CHECK(all.before == "...he station，a switch！");
  CHECK(all.after == "...he station,a switch!");
  CHECK(changed_lines(tokenizer, {100, lines[5]}, 7).changed == 7);
  CHECK(changed_lines(tokenizer, {}, 7).lines == 0);
  // A line that is encoded in parts without a space between them.
  CHECK(changed_lines(tokenizer, {std::string(10'000, 'e')}, 7).changed == 0);
  const Tokenizer identity = train_tokenizer(lines, 100, "identity");
  CHECK(changed_lines(identity, lines, 100).changed == 0);
}

TEST_CASE("unknown tokens are counted, with the words they stand for") {
  const Tokenizer& tokenizer = small_tokenizer();
  UnknownTokens tokens;
  CHECK(tokens.share() == 0);
  const auto add = [&](const std::string& text) {
    tokens.add(tokenizer, tokenizer.encode(text), text);
  };
  add("the train leaves");
  const std::int64_t known = tokens.tokens();
  CHECK(known == static_cast<std::int64_t>(tokenizer.encode("the train leaves").size()) - 1);
  CHECK(tokens.unknown() == 0);
  add("где где the");
  add("лежит снег и где");
  CHECK(tokens.unknown() == 6);
  CHECK(tokens.share() == 6.0 / static_cast<double>(tokens.tokens()));
  CHECK(tokens.examples() == std::vector<std::string>{"где", "лежит", "снег"});
  CHECK(tokenizer.unknown_parts("trainгдеtrain <unk> " + repeated("x ", 9000) + "и").back() == "и");
}

TEST_CASE("the differences from transformers are listed") {
  enum { kTrainer = 2, kNormalizer = 3, kDenormalizer = 5 };
  enum { kUserDefined = 4, kUnused = 5, kByte = 6 };
  const std::string good = model_bytes(small_tokenizer());
  const auto reasons = [](const std::string& bytes) {
    return differences_in_transformers(Tokenizer::from_bytes(bytes, "x.model"));
  };
  using Reasons = std::vector<std::string>;
  CHECK(reasons(good).empty());
  const std::string no_prefix = good + field(kNormalizer, field(3, 0));
  CHECK(reasons(no_prefix) == Reasons{"add_dummy_prefix is false"});
  CHECK(Tokenizer::from_bytes(no_prefix, "").encode("x") != small_tokenizer().encode("x"));
  CHECK(reasons(good + field(kTrainer, field(24, 1))) ==
        Reasons{"treat_whitespace_as_suffix is true"});
  CHECK(reasons(good + field(kNormalizer, field(5, 0))) == Reasons{"escape_whitespaces is false"});
  CHECK(reasons(good + field(kNormalizer, field(4, 0))) ==
        Reasons{"remove_extra_whitespaces is false"});
  CHECK(reasons(good + piece("<sep>", kUserDefined)) == Reasons{"it has user-defined symbols"});
  CHECK(reasons(good + piece("stellwerk", kUnused)) == Reasons{"it has unused pieces"});
  std::string bytes;
  for (int i = 0; i < 256; ++i) {
    const char* hex = "0123456789ABCDEF";
    bytes += piece(std::string("<0x") + hex[i >> 4] + hex[i & 15] + ">", kByte);
  }
  CHECK(reasons(good + bytes + field(kTrainer, field(35, 1))) == Reasons{"byte_fallback is true"});
  // The denormalizer's settings do not affect encoding.
  CHECK(reasons(good + field(kDenormalizer, field(3, 0) + field(4, 0) + field(5, 0))).empty());
  CHECK(reasons(good + piece("<sep>", kUserDefined) + field(kNormalizer, field(3, 0))).size() == 2);

  std::string renamed = good;
  renamed.replace(renamed.find("<pad>"), 5, "[pad]");
  renamed += field(kTrainer, field(48, "[pad]"));
  CHECK(reasons(renamed) == Reasons{"the control pieces are not named <pad>, </s> and <unk>"});
  for (const char* normalization : {"identity", "nfkc", "nfkc_cf"})
    CHECK(differences_in_transformers(train_tokenizer(small_sentences(100), 80, normalization)) ==
          Reasons{"its normalization keeps tabs (identity, nfkc)"});
  CHECK(differences_in_transformers(train_tokenizer(small_sentences(100), 80, "nmt_nfkc_cf"))
            .empty());
}
