// SPDX-License-Identifier: Apache-2.0
// Tokenizers as Hugging Face writes them: recorded ids and texts (tests/golden/make_tokenizers.py),
// and files that are refused.
#include <cstdlib>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "src/core/error.h"
#include "src/core/json.h"
#include "src/text/added_tokens.h"
#include "src/text/base64.h"
#include "src/text/graphemes.h"
#include "src/text/tokenizer.h"
#include "src/text/unigram.h"
#include "src/text/utf8.h"
#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

using namespace switchyard;
using nlohmann::json;

namespace {

namespace fs = std::filesystem;

fs::path golden(const char* name) { return fs::path(std::getenv("GOLDEN")) / "tokenizers" / name; }

json whole() { return read_json_object(golden("json-rules-added") / "tokenizer.json"); }

Tokenizer load(const json& file) { return Tokenizer::from_bytes(file.dump(), "x.json"); }

// A tokenizer.json with these pieces after the control tokens.
json small(const std::vector<std::pair<std::string, double>>& pieces) {
  json file = whole();
  file["normalizer"] = nullptr;
  file["added_tokens"] = json::array();
  json vocab = json::array();
  for (const char* control : {"<pad>", "</s>", "<unk>"}) vocab.push_back(json::array({control, 0}));
  for (const auto& [text, score] : pieces) vocab.push_back(json::array({text, score}));
  file["model"]["vocab"] = vocab;
  return file;
}

void check_refused(const std::function<void(json&)>& spoil, const std::string& reason) {
  json file = whole();
  spoil(file);
  CAPTURE(reason);
  try {
    load(file);
    FAIL("loaded");
  } catch (const Error& e) {
    CAPTURE(e.what());
    CHECK(e.kind() == ErrorKind::kData);
    CHECK(std::string(e.what()).starts_with("x.json: "));
    CHECK(std::string(e.what()).find(reason) != std::string::npos);
  }
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

TEST_CASE("ids and texts are those of transformers") {
  const char* name =
      GENERATE("json-rules-added", "json-identity", "spiece-rules-added", "spiece-identity");
  CAPTURE(name);
  const Tokenizer tokenizer = Tokenizer::load_directory(golden(name));
  const json rows = read_json_object(golden(name) / "expected.json")["rows"];
  CHECK(rows.size() == 305);
  for (const json& row : rows) {
    const auto line = row["line"].get<std::string>();
    CAPTURE(line);
    const Ids ids = tokenizer.encode(line, nullptr, Spelled::kAll);
    CHECK(ids == row["ids"].get<Ids>());
    if (!row.contains("text")) continue;
    CHECK(tokenizer.decode(ids) == one_line(row["text"].get<std::string>()));
    CHECK(tokenizer.decode(ids, Special::kShow) == one_line(row["shown"].get<std::string>()));
  }
}

TEST_CASE("control tokens and sentinels are found only if asked") {
  for (const char* name : {"json-rules-added", "spiece-rules-added"}) {
    CAPTURE(name);
    const Tokenizer t = Tokenizer::load_directory(golden(name));
    const auto contains = [&](const Ids& ids, int id) {
      return std::find(ids.begin(), ids.end() - 1, id) != ids.end() - 1;
    };
    const std::string line = "Hund <extra_id_5> </s> <pad> <sp> <new>.";
    const int sentinel = t.sentinel_id(5);
    const Ids text = t.encode(line), sentinels = t.encode(line, nullptr, Spelled::kSentinels);
    CHECK(t.piece(sentinel) == "<extra_id_5>");
    CHECK((t.is_sentinel(sentinel) && !t.is_sentinel(t.eos_id())));
    CHECK((t.sentinel_id(100) == -1 && t.sentinel_id(-1) == -1));
    CHECK((!contains(text, sentinel) && contains(sentinels, sentinel)));
    for (const Ids& ids : {text, sentinels})
      CHECK((!contains(ids, t.eos_id()) && !contains(ids, t.pad_id())));
    int added = 0;  // <sp> and <new>
    for (const int id : text) added += t.piece(id) == "<sp>" || t.piece(id) == "<new>";
    CHECK(added == 2);
    CHECK(t.decode(Ids{sentinel, t.eos_id()}).empty());
    CHECK(t.decode(Ids{sentinel}, Special::kShow) == "<extra_id_5>");
  }
}

TEST_CASE("sentinels that no file lists are known but not counted") {
  const TempDirectory directory;
  fs::copy_file(golden("spiece-identity") / "spiece.model", directory / "spiece.model");
  const Tokenizer t = Tokenizer::load_directory(directory.path());
  const int size = Tokenizer::load(directory / "spiece.model").vocab_size();
  CHECK(t.vocab_size() == size);
  CHECK(t.sentinel_id(0) == size + 99);
  CHECK(t.sentinel_id(99) == size);
  CHECK(t.hash() == Tokenizer::load(directory / "spiece.model").hash());
  CHECK(Tokenizer::load(directory / "spiece.model").sentinel_id(0) == -1);
}

TEST_CASE("a tokenizer.json is saved with what belongs to it") {
  const TempDirectory with_files, alone;
  const fs::path from = golden("json-rules-added");
  const Tokenizer t = Tokenizer::load_directory(from);
  t.save(with_files.path());
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    CHECK(read_text(with_files / name) == read_text(from / name));
  CHECK(Tokenizer::load_directory(with_files.path()).hash() == t.hash());

  const Tokenizer file = Tokenizer::load(from / "tokenizer.json");
  file.save(alone.path());
  CHECK(read_text(alone / "tokenizer_config.json").find("\"extra_ids\": 100") != std::string::npos);
  CHECK(Tokenizer::load_directory(alone.path()).hash() == file.hash());
  CHECK(Tokenizer::find(alone.path()) == alone / "tokenizer.json");
  // A vocabulary saved later is not hidden by it.
  Tokenizer::load(golden("spiece-identity") / "spiece.model").save(alone.path());
  CHECK(Tokenizer::find(alone.path()) == alone / "spiece.model");
  CHECK(!Tokenizer::find(alone / "none"));
}

TEST_CASE("added tokens come from the files that transformers 4 wrote before 4.34") {
  const TempDirectory directory;
  fs::copy_file(golden("spiece-identity") / "spiece.model", directory / "spiece.model");
  const int size = Tokenizer::load(directory / "spiece.model").vocab_size();
  const auto write = [&](const char* name, const json& content) {
    std::ofstream(directory / name) << content;
  };
  write("added_tokens.json", {{"<de>", size}, {"<fr>", size + 1}});
  write("special_tokens_map.json", {{"additional_special_tokens", {"<fr>"}}});
  write("tokenizer_config.json", {{"extra_ids", 0}});
  const Tokenizer t = Tokenizer::load_directory(directory.path());
  CHECK(t.vocab_size() == size + 2);
  const Ids ids = t.encode("<de><fr>");
  CHECK(ids == Ids{size, size + 1, t.eos_id()});
  CHECK(t.decode(ids) == "<de>");
  CHECK(t.decode(ids, Special::kShow) == "<de> <fr> </s>");

  const auto check_error = [&](const std::string& reason) {
    CAPTURE(reason);
    try {
      Tokenizer::load_directory(directory.path());
      FAIL("loaded");
    } catch (const Error& e) {
      CAPTURE(e.what());
      CHECK(std::string(e.what()).find(reason) != std::string::npos);
    }
  };
  write("added_tokens.json", {{"<de>", 5}});
  check_error("expected the added token <de>");
  write("added_tokens.json", {{"<de>", size}, {"<fr>", size}});
  check_error("added_tokens.json: id " + std::to_string(size) + " occurs twice");
  write("added_tokens.json", {{"", size}});
  check_error("is empty");
  write("added_tokens.json", {{"<de>", "x"}});
  check_error("added_tokens.json: <de>: string, expected an id");
  write("added_tokens.json", {{"<de>", -1}});
  check_error("id -1");
  write("tokenizer_config.json", {{"added_tokens_decoder", {{"x", {{"content", "<de>"}}}}}});
  check_error("tokenizer_config.json: added_tokens_decoder: \"x\", expected an id");
  write("tokenizer_config.json", {{"extra_ids", -1}});
  check_error("extra_ids: -1");
}

TEST_CASE("the best segmentation is found, the first of equal ones") {
  const Tokenizer t =
      load(small({{"\u2581", -1}, {"a", -2}, {"b", -2}, {"ab", -4}, {"\u2581a", -3}}));
  // "▁" "ab", found before "▁a" "b" and "▁" "a" "b" with the same sum.
  CHECK(t.encode("ab") == Ids{3, 6, 1});
  CHECK(t.encode("xyb") == Ids{3, 2, 5, 1});  // unknown characters side by side are one token
  CHECK(t.unknown_parts("xyb a\u00e9") == std::vector<std::string>{"xy", "\u00e9"});
  CHECK(t.encode("a\u2581b \u0085 \u3000\t") == Ids{7, 3, 5, 1});
  // Control tokens stay text, although they are pieces.
  CHECK(t.encode("a</s>") == Ids{7, 2, 1});
  CHECK(t.encode("") == Ids{1});
  CHECK(t.decode(Ids{3, 4, 7, 5}) == "a ab");
  CHECK((t.starts_word(7) && !t.starts_word(4)));
  CHECK_THROWS_AS(t.decode(Ids{8}), Error);
}

TEST_CASE("long lines are encoded in bounded time") {
  const Tokenizer t = Tokenizer::load_directory(golden("json-rules-added"));
  CHECK(t.encode(std::string(3 << 20, 'x')).size() > 2);
  std::string marks;
  for (int i = 0; i < 100'000; ++i) marks += "\u0301";
  CHECK(t.encode(marks).size() > 1);
}

TEST_CASE("grapheme clusters") {
  const auto lengths = [](std::string_view text) {
    std::vector<std::size_t> found;
    while (!text.empty()) {
      found.push_back(first_grapheme(text));
      text.remove_prefix(found.back());
    }
    return found;
  };
  using L = std::vector<std::size_t>;
  CHECK(lengths("ab\r\n\n\r") == L{1, 1, 2, 1, 1});                               // GB3 to GB5
  CHECK(lengths("\u1100\u1161\u11A8\uAC00\u11A8\uAC01\u1161") == L{9, 6, 3, 3});  // GB6 to GB8
  CHECK(lengths("e\u0301\u0301a\u0903\u200D") == L{5, 7});                        // GB9, GB9a
  CHECK(lengths("\u0600a\u0600\n") == L{3, 2, 1});                                // GB9b
  CHECK(lengths("\u0915\u094D\u0937\u0915\u0937") == L{9, 3, 3});                 // GB9c
  CHECK(lengths("\u0915\u094D\u200D\u0937\u0915\u200C\u094D\u0937") == L{12, 9, 3});
  CHECK(lengths("\u00A9\u0301\u200D\u00A9\u00A9\u200D\u0301\u00A9") == L{9, 7, 2});  // GB11
  CHECK(lengths("\U0001F1E9\U0001F1EA\U0001F1E9") == L{8, 4});                       // GB12, GB13
  CHECK(lengths("\xFF\u0301") == L{3});
}

TEST_CASE("Base64") {
  CHECK(decode_base64("") == "");
  CHECK(decode_base64("Zg==") == "f");
  CHECK(decode_base64("Zm8=") == "fo");
  CHECK(decode_base64("Zm9v") == "foo");
  CHECK(decode_base64("+/+/") == "\xFB\xFF\xBF");
  for (const char* bad :
       {"Z", "Zg=", "Zg", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm9v\n", "Zm 9"}) {
    CAPTURE(bad);
    CHECK(!decode_base64(bad));
  }
}

TEST_CASE("files of transformers 4 are read as transformers 5 reads them") {
  const std::string line = "Der  Hund \u00BD e\u0301 .";
  const Ids expected = load(whole()).encode(line);
  json file = whole();
  const json strip = {{"type", "Strip"}, {"strip_left", false}, {"strip_right", true}};
  const json replace = {
      {"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", "\u2581"}};
  file["normalizer"] = {{"type", "Sequence"},
                        {"normalizers", {file["normalizer"], strip, replace}}};
  file["pre_tokenizer"] = {
      {"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "first"}};
  file["decoder"] = {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"add_prefix_space", true}};
  file["model"].erase("byte_fallback");
  CHECK(load(file).encode(line) == expected);
}

TEST_CASE("other tokenizers are refused") {
  const auto set = [](const char* path, const json& value) {
    return [=](json& file) { file[json::json_pointer(path)] = value; };
  };
  check_refused(set("/model/type", "BPE"), "model: type: \"BPE\", expected \"Unigram\"");
  check_refused(set("/model", 1), "model: 1, expected an object");
  check_refused(set("/model/byte_fallback", true), "byte_fallback: true, expected false");
  check_refused(set("/model/vocab", json::array()), "vocab: no pieces");
  check_refused(set("/model/vocab", json::object()), "vocab: object, expected an array");
  check_refused(set("/model/vocab/7", {"a"}), "vocab: piece 7: [\"a\"], expected [text, score]");
  check_refused(set("/model/vocab/7", {"a", "b"}), "expected [text, score]");
  check_refused(set("/model/vocab/7", {"", 0}), "piece 7 is empty");
  check_refused(set("/model/vocab/7", {"</s>", 0}), "piece 7 (</s>) occurs twice");
  check_refused(set("/model/vocab/7", {std::string(1025, 'x'), 0}), "1025 bytes");
  check_refused(set("/model/vocab/7", {"x", 1e300}), "not a float32 number");
  check_refused(set("/model/unk_id", nullptr), "unk_id: none");
  check_refused(set("/model/unk_id", 1'000'000), "unk_id: 1000000, expected one below");
  check_refused(set("/model/unk_id", -1), "unk_id: -1");
  check_refused(set("/normalizer", {{"type", "NFKC"}}), "normalizer: type: \"NFKC\"");
  check_refused(set("/normalizer", {{"type", "Precompiled"}}), "no precompiled_charsmap");
  check_refused(set("/normalizer/precompiled_charsmap", "x"), "not Base64");
  check_refused(set("/normalizer/precompiled_charsmap", "AAAAAAA="), "charsmap: a trie of 0 bytes");
  check_refused(
      set("/normalizer",
          {{"type", "Sequence"}, {"normalizers", {{{"type", "Strip"}}, {{"type", "Lowercase"}}}}}),
      "\"Lowercase\" after the first");
  check_refused(set("/pre_tokenizer", nullptr), "pre_tokenizer: null, expected \"Metaspace\"");
  check_refused(set("/pre_tokenizer", {{"type", "ByteLevel"}}), "type: \"ByteLevel\"");
  check_refused(set("/pre_tokenizer/pretokenizers/0/type", "Whitespace"), "type: \"Whitespace\"");
  check_refused(set("/pre_tokenizer/pretokenizers/1/split", false), "split: false, expected true");
  check_refused(set("/pre_tokenizer/pretokenizers/1/replacement", "_"), "replacement: \"_\"");
  check_refused(set("/pre_tokenizer/pretokenizers/1/prepend_scheme", "never"), "\"never\"");
  check_refused(set("/pre_tokenizer/pretokenizers/2", {{"type", "Digits"}}), "3 steps, expected 2");
  check_refused(set("/post_processor", nullptr), "post_processor: null");
  check_refused(set("/post_processor/single", json::array()), "single: []");
  check_refused(set("/post_processor/special_tokens", json::object()),
                "ids: null, expected one id");
  check_refused(set("/post_processor/special_tokens/<~1s>/ids", {1, 1}), "ids: [1,1]");
  check_refused(set("/post_processor/special_tokens/<~1s>/ids", {99999}),
                "id 99999, expected one below");
  check_refused(set("/decoder", {{"type", "WordPiece"}}), "decoder: type: \"WordPiece\"");
  check_refused(set("/added_tokens", 1), "added_tokens: number, expected an array");
  check_refused(set("/added_tokens/0", 1), "a token without id");
  check_refused(set("/added_tokens/0/id", 3'000'000'000), "id 3000000000");
  check_refused(set("/added_tokens/0/id", 5), "added token <pad>: id 5, expected 0");
  check_refused(set("/added_tokens/0/content", "<x>"), "id 0, expected at least");
  check_refused(set("/added_tokens/0/content", ""), "is empty");
  check_refused(set("/added_tokens/0/single_word", true), "single_word: true, expected false");
  check_refused(set("/added_tokens/1/content", "<pad>"), "<pad> occurs twice");
}
