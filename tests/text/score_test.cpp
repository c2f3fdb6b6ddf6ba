// SPDX-License-Identifier: Apache-2.0
// Compares BLEU and chrF with sacreBLEU's own scores (tests/golden/make_bleu.py). The environment
// variable GOLDEN is the directory with the golden files.
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "src/core/error.h"
#include "src/core/file.h"
#include "src/core/version.h"
#include "src/text/bleu.h"
#include "src/text/bleu_tokenizer.h"
#include "src/text/chrf.h"
#include "src/text/utf8.h"
#include "tests/support/catch.h"

using namespace switchyard;

namespace {

std::string ours(std::string signature) {
  const std::string theirs = "version:2.6.0";
  signature.replace(signature.find(theirs), theirs.size(),
                    "version:switch-evaluate-" + std::string(version()) + "(sacrebleu-2.6.0)");
  return signature;
}

}  // namespace

TEST_CASE("BLEU and chrF equal sacreBLEU's") {
  const auto cases =
      nlohmann::json::parse(read_file(fs::path(std::getenv("GOLDEN")) / "bleu.json"));
  REQUIRE(cases.size() == 45);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    const std::vector<std::string> hypotheses = cases[i]["hypotheses"];
    const References references = cases[i]["references"];

    const auto& b = cases[i]["bleu"];
    BleuOptions bleu;
    bleu.tokenize = b["tokenize"];
    bleu.smooth = b["smooth"];
    bleu.lowercase = b["lowercase"];
    bleu.effective_order = b["effective_order"];
    CAPTURE(bleu.tokenize, bleu.smooth, bleu.lowercase);
    const BleuScore score = corpus_bleu(hypotheses, references, bleu);
    CHECK(std::abs(score.score - b["score"].get<double>()) < 1e-9);
    CHECK(score.details() == b["details"].get<std::string>());
    CHECK(bleu_signature(bleu, references.size()) == ours(b["signature"]));

    const auto& c = cases[i]["chrf"];
    ChrfOptions chrf;
    chrf.word_order = c["word_order"];
    chrf.beta = c["beta"];
    CHECK(std::abs(corpus_chrf(hypotheses, references, chrf) - c["score"].get<double>()) < 1e-9);
    CHECK(chrf_name(chrf) == c["name"].get<std::string>());
    CHECK(chrf_signature(chrf, references.size()) == ours(c["signature"]));
  }
}

TEST_CASE("the tokenizer intl equals sacreBLEU's on every code point") {
  const auto golden =
      nlohmann::json::parse(read_file(fs::path(std::getenv("GOLDEN")) / "intl.json"));
  const std::vector<std::string> probes = golden["probes"];
  const std::vector<std::vector<std::string>> outputs = golden["outputs"];
  const std::vector<std::pair<char32_t, std::size_t>> runs = golden["runs"];  // from, output
  // The tokens of a probe containing c, joined by spaces, with X in place of c.
  const auto tokenized = [](const std::string& probe, char32_t c) {
    std::string character, out;
    append_utf8(character, c);
    const std::string text = std::string(probe).replace(probe.find("{}"), 2, character);
    bool after_space = false;
    for (const char32_t x : bleu_tokenize("intl", to_code_points(text))) {
      if (!is_space(x)) {
        if (after_space && !out.empty()) out += c == U' ' ? 'X' : ' ';
        append_utf8(out, x == c ? U'X' : x);
      }
      after_space = is_space(x);
    }
    return out;
  };
  std::size_t run = 0;
  std::vector<unsigned> different;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    while (run + 1 < runs.size() && runs[run + 1].first <= c) ++run;
    for (std::size_t i = 0; i < probes.size(); ++i)
      if (tokenized(probes[i], c) != outputs[runs[run].second][i]) {
        different.push_back(c);
        break;
      }
  }
  CAPTURE(different.size(), different.empty() ? 0 : different.front());
  CHECK(different.empty());
}

TEST_CASE("perfect and hopeless translations") {
  CHECK(std::abs(corpus_bleu({"a b c d e"}, {{"a b c d e"}}).score - 100) < 1e-9);
  CHECK(corpus_chrf({"a b c d e"}, {{"a b c d e"}}) == 100);
  CHECK(corpus_bleu({"x"}, {{"a b c d e"}}).score == 0);
  CHECK(corpus_chrf({""}, {{""}}) == 0);
}

TEST_CASE("scores need as many references as hypotheses") {
  CHECK_THROWS_AS(corpus_bleu({"a", "b"}, {{"a"}}), Error);
  CHECK_THROWS_AS(corpus_chrf({"a"}, {{"a"}, {"a", "b"}}), Error);
  CHECK_THROWS_AS(corpus_bleu({}, {{}}), Error);
  CHECK_THROWS_AS(corpus_chrf({"a"}, {}), Error);
  BleuOptions options;
  options.tokenize = "moses";
  CHECK_THROWS_AS(corpus_bleu({"a"}, {{"a"}}, options), Error);
}
