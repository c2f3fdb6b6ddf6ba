// SPDX-License-Identifier: Apache-2.0
// switch-evaluate: BLEU and chrF of a translation, with sacreBLEU's scores and options; or the
// perplexity of a reference under a model.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "src/backend/backend.h"
#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/core/log.h"
#include "src/text/bleu.h"
#include "src/text/chrf.h"
#include "src/text/line_counts.h"
#include "src/text/line_reader.h"
#include "src/text/scoring.h"
#include "src/text/utf8.h"
#include "tools/options.h"
#include "tools/perplexity.h"

using namespace switchyard;

namespace {

struct Settings {
  std::vector<std::filesystem::path> references;
  std::filesystem::path input = "-";
  std::vector<std::string> metrics = {"bleu"};
  BleuOptions bleu;
  ChrfOptions chrf;
  bool sentence_level = false;
  bool score_only = false;
  int width = 1;
  std::string format = "json";
  PerplexityOptions perplexity;
  ScoreStyle style;  // of the perplexity
  int threads = 1;
};

constexpr const char* kPerplexity = "perplexity";

struct Result {
  std::string name;
  double score;
  std::string signature;
  std::string details;  // empty if the metric has none
};

Result evaluate(const std::string& metric, const std::vector<std::string>& hypotheses,
                const References& references, const Settings& settings) {
  if (metric == "bleu") {
    const BleuScore bleu = corpus_bleu(hypotheses, references, settings.bleu);
    return {"BLEU", bleu.score, bleu_signature(settings.bleu, references.size()), bleu.details()};
  }
  return {chrf_name(settings.chrf), corpus_chrf(hypotheses, references, settings.chrf),
          chrf_signature(settings.chrf, references.size()), ""};
}

std::string rounded(double score, int width) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", width, score);
  return text;
}

std::string as_text(const Result& result, int width) {
  const std::string details = result.details.empty() ? "" : " " + result.details;
  return result.name + "|" + result.signature + " = " + rounded(result.score, width) + details;
}

// sacreBLEU's format: the score, then each part of the signature as a field of its own.
std::string as_json(const Result& result, int width) {
  nlohmann::ordered_json object;
  object["name"] = result.name;
  object["score"] = std::stod(rounded(result.score, width));
  object["signature"] = result.signature;
  if (!result.details.empty()) object["verbose_score"] = result.details;
  for (std::size_t begin = 0; begin < result.signature.size();) {
    const std::size_t end = std::min(result.signature.find('|', begin), result.signature.size());
    const std::string part = result.signature.substr(begin, end - begin);
    const std::size_t colon = part.find(':');
    object[part.substr(0, colon)] = part.substr(colon + 1);
    begin = end + 1;
  }
  return object.dump(1);
}

void print(const std::vector<Result>& results, const Settings& settings) {
  std::string out;
  const bool json = settings.format == "json" && !settings.score_only;
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Result& result = results[i];
    if (i > 0) out += json ? ",\n" : "\n";
    out += settings.score_only ? rounded(result.score, settings.width)
           : json              ? as_json(result, settings.width)
                               : as_text(result, settings.width);
  }
  write_stdout(json && results.size() > 1 ? "[\n" + out + "\n]\n" : out + "\n");
}

std::string name_of(const std::filesystem::path& path) {
  return path == "-" ? "stdin" : path.string();
}

// Reads all lines and replaces invalid UTF-8, on which sacreBLEU fails.
std::vector<std::string> read_text(const std::filesystem::path& path) {
  std::vector<std::string> lines = read_lines(path);
  std::int64_t replaced = 0;
  std::size_t first_line = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    lines[i] = valid_utf8(lines[i], &replaced);
    if (replaced > 0 && first_line == 0) first_line = i + 1;
  }
  if (replaced > 0)
    log_warning(escaped(name_of(path)) + ": " + counted(replaced, "place") +
                " of invalid UTF-8 replaced by U+FFFD, the first in line " +
                std::to_string(first_line));
  return lines;
}

// Warns if more than 1 % of the words are what SentencePiece (U+2047) and other programs print for
// an unknown token.
void warn_of_unknown_words(const std::vector<std::string>& hypotheses, const std::string& name) {
  std::size_t words = 0, unknown = 0, first_line = 0;
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    const std::u32string text = to_code_points(hypotheses[i]);
    for (const std::u32string_view word : split(text)) {
      ++words;
      if (word != U"\u2047" && word != U"<unk>") continue;
      if (++unknown == 1) first_line = i;
    }
  }
  if (100 * unknown <= words) return;
  const double percent = 100 * static_cast<double>(unknown) / static_cast<double>(words);
  log_warning(escaped(name) + ": " + rounded(percent, 1) + "% of " + std::to_string(words) +
              " words are unknown tokens (U+2047 or <unk>), the first in line " +
              std::to_string(first_line + 1) + ": \"" + escaped(hypotheses[first_line], 80) + "\"");
}

void score_sentences(const std::vector<std::string>& hypotheses, const References& references,
                     Settings settings) {
  settings.bleu.effective_order = true;
  settings.format = "text";
  for (std::size_t i = 0; i < hypotheses.size(); ++i) {
    References of_sentence;
    for (const auto& reference : references) of_sentence.push_back({reference[i]});
    print({evaluate(settings.metrics.front(), {hypotheses[i]}, of_sentence, settings)}, settings);
  }
}

// Whether the reference is to be scored by a model, which excludes every other score.
bool wants_perplexity(const Settings& s) { return s.metrics.front() == kPerplexity; }

void check_perplexity(const Options& options, Settings& s) {
  if (s.perplexity.per_line && !options.given("metrics")) s.metrics = {kPerplexity};
  const bool wanted = std::find(s.metrics.begin(), s.metrics.end(), kPerplexity) != s.metrics.end();
  if (!wanted) {
    check(!s.perplexity.per_line, ErrorKind::kUsage, "--per-line: with --metrics ",
          s.metrics.front(), ", expected perplexity; --sentence-level prints it for each line");
    for (const char* name : {"model", "source", "source-prefix", "compat"})
      check(!options.given(name), ErrorKind::kUsage, "--", name,
            ": needs --per-line or -m perplexity; to score a model's translation: "
            "switch-translate -m DIR < SOURCE | switch-evaluate REF");
    return;
  }
  check(s.metrics.size() == 1, ErrorKind::kUsage, "--metrics: perplexity with ",
        s.metrics.size() - 1,
        " more, expected it alone: it scores the reference, not a translation");
  check(!s.sentence_level, ErrorKind::kUsage,
        "--sentence-level: with perplexity, expected --per-line");
  check(!options.given("input"), ErrorKind::kUsage,
        "--input: perplexity scores the reference, expected no other translation");
  check(!s.perplexity.model.empty(), ErrorKind::kUsage,
        "--model: missing, expected the directory of the model that scores the reference");
  check(!s.perplexity.source.empty(), ErrorKind::kUsage,
        "--source: missing, expected the source of the reference");
  check(s.references.size() == 1, ErrorKind::kUsage, "perplexity: ", s.references.size(),
        " references, expected one");
}

ScoreStyle style_of(const Options& options, const Settings& s) {
  ScoreStyle style;
  style.format = s.score_only         ? ScoreFormat::kScoreOnly
                 : s.format == "json" ? ScoreFormat::kJson
                                      : ScoreFormat::kText;
  if (options.given("width")) style.width = s.width;
  return style;
}

bool parse(int argc, char** argv, Settings& s) {
  Options options(
      {.name = "switch-evaluate",
       .usage = "REF... [-i HYPOTHESES] [options]",
       .about = "scores a translation with sacreBLEU's BLEU and chrF; references come first",
       .essentials = {"input", "metrics", "score-only", "width", "tokenize", "lowercase",
                      "sentence-level", "per-line"},
       .examples = {"switch-evaluate test.de -i output.de",
                    "switch-translate -m en-de < test.en | switch-evaluate test.de -m bleu chrf -b",
                    "switch-evaluate test.de --model en-de --source test.en --per-line"},
       .files = {},
       .backend = backend_description});
  options.group("Input");
  options.paths("references", s.references, "REF...",
                "reference translations, one sentence per line");
  options.positional("references");
  options.path("input,i", s.input, "FILE", "translation to score; -: stdin");
  options.group("Metrics");
  options.choices("metrics,m", s.metrics, {"bleu", "chrf", kPerplexity},
                  "perplexity is that of the reference; needs --model");
  options.flag("sentence-level", s.sentence_level, "one score per line, for a single metric");
  options.alias("-sl", "sentence-level");
  options.choice("tokenize", s.bleu.tokenize, {"13a", "none", "char", "zh", "intl"},
                 "tokenizer for BLEU (-tok)");
  options.alias("-tok", "tokenize");
  options.choice("smooth-method,s", s.bleu.smooth, {"exp", "floor", "add-k", "none"},
                 "how BLEU smooths n-gram orders without a match");
  options.number("smooth-value", s.bleu.smooth_value, 0, 1e6,
                 "value for floor [0.1] and add-k [1]");
  options.alias("-sv", "smooth-value");
  options.flag("lowercase", s.bleu.lowercase, "case-insensitive BLEU (-lc)");
  options.alias("-lc", "lowercase");
  options.number("chrf-char-order", s.chrf.char_order, 1, 100, "maximum character n-gram order");
  options.number("chrf-word-order", s.chrf.word_order, 0, 100,
                 "maximum word n-gram order; 2: chrF++");
  options.number("chrf-beta", s.chrf.beta, 0, 1000, "weight of recall relative to precision");
  s.perplexity.declare(options);
  options.group("Output");
  options.flag("score-only,b", s.score_only,
               "print only the scores, one per line, in the order of --metrics");
  options.number("width,w", s.width, 0, 17, "digits after the decimal point; perplexity: 6");
  options.choice("format,f", s.format, {"json", "text"}, "output format");
  if (!options.parse(argc, argv)) return false;

  check(!s.references.empty(), ErrorKind::kUsage,
        "no reference given, expected: switch-evaluate REF... [-i HYPOTHESES]; see --help");
  check(!s.sentence_level || s.metrics.size() == 1, ErrorKind::kUsage, "--sentence-level: found ",
        s.metrics.size(), " metrics, expected one");
  check_perplexity(options, s);
  s.style = style_of(options, s);
  s.threads = options.threads();
  return true;
}

void score_reference(const std::vector<std::string>& lines, const Settings& settings) {
  const NamedText reference{name_of(settings.references.front()), lines};
  const NamedText source{name_of(settings.perplexity.source),
                         read_text(settings.perplexity.source)};
  check_same_lines(reference.name, reference.lines, source.name, source.lines);
  check(!lines.empty(), ErrorKind::kData, escaped(reference.name),
        ": 0 lines, expected at least one");
  print_perplexity(source, reference, settings.perplexity, settings.style, settings.threads);
}

int run(int argc, char** argv) {
  Settings settings;
  if (!parse(argc, argv, settings)) return 0;
  References references;
  for (const auto& path : settings.references) references.push_back(read_text(path));
  if (wants_perplexity(settings)) {
    score_reference(references.front(), settings);
    return 0;
  }
  const std::vector<std::string> hypotheses = read_text(settings.input);
  for (std::size_t r = 0; r < references.size(); ++r)
    check_same_lines(name_of(settings.references[r]), references[r], name_of(settings.input),
                     hypotheses);
  check(!hypotheses.empty(), ErrorKind::kData, escaped(name_of(settings.input)),
        ": 0 lines, expected at least one");
  warn_of_unknown_words(hypotheses, name_of(settings.input));
  if (settings.sentence_level) {
    score_sentences(hypotheses, references, settings);
    return 0;
  }
  std::vector<Result> results;
  for (const auto& metric : settings.metrics)
    results.push_back(evaluate(metric, hypotheses, references, settings));
  print(results, settings);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  return run_main("switch-evaluate", [&] { return run(argc, argv); });
}
