// SPDX-License-Identifier: Apache-2.0
#include "tools/perplexity.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "src/app/reference_scorer.h"
#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/core/version.h"
#include "tools/run.h"

namespace switchyard {

namespace {

std::string rounded(double value, int width) {
  char text[400];  // the largest double has 309 digits
  std::snprintf(text, sizeof(text), "%.*f", width, value);
  return text;
}

double rounded_number(double value, int width) {
  return std::strtod(rounded(value, width).c_str(), nullptr);
}

// "log-probability, number of tokens, log-probability of each token", or the same as JSON.
std::string line_of(std::size_t line, const ScoredReference& result, const Tokenizer& tokenizer,
                    const ScoreStyle& style) {
  const std::string sum = rounded(result.log_prob(), style.width);
  if (style.format == ScoreFormat::kScoreOnly) return sum;
  if (style.format == ScoreFormat::kText) {
    std::string text = sum + '\t' + std::to_string(result.ids.size()) + '\t';
    for (std::size_t i = 0; i < result.log_probs.size(); ++i) {
      if (i > 0) text += ' ';
      text += rounded(double{result.log_probs[i]}, style.width);
    }
    return text;
  }
  nlohmann::ordered_json object;
  object["line"] = line + 1;
  object["log_prob"] = rounded_number(result.log_prob(), style.width);
  object["tokens"] = nlohmann::ordered_json::array();
  object["token_log_probs"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < result.ids.size(); ++i) {
    object["tokens"].push_back(tokenizer.piece(result.ids[i]));
    object["token_log_probs"].push_back(rounded_number(double{result.log_probs[i]}, style.width));
  }
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

struct Totals {
  double log_prob = 0;
  std::int64_t tokens = 0, lines = 0;
  double perplexity() const { return std::exp(-log_prob / static_cast<double>(tokens)); }
};

std::string summary_of(const Totals& totals, int width) {
  return "perplexity = " + rounded(totals.perplexity(), width) + " (log-probability " +
         rounded(totals.log_prob, width) + ", " + counted(totals.tokens, "token") + ", " +
         counted(totals.lines, "line") + ")";
}

std::string json_of(const Totals& totals, int width) {
  nlohmann::ordered_json object;
  object["name"] = "perplexity";
  object["score"] = rounded_number(totals.perplexity(), width);
  object["log_prob"] = rounded_number(totals.log_prob, width);
  object["tokens"] = totals.tokens;
  object["lines"] = totals.lines;
  object["version"] = "switch-evaluate-" + std::string(version());
  return object.dump(1);
}

}  // namespace

void PerplexityOptions::declare(Options& options) {
  options.group("Model");
  options.path("model", model, "DIR",
               "score the reference itself: how likely it is as the model's translation of "
               "--source; computes in float32");
  options.path("source", source, "FILE", "source sentences, one per line of the reference");
  options.alias("--src", "source");
  options.flag("per-line", per_line, "print each reference's log-probability, tokens and theirs");
  options.text("source-prefix", source_prefix, "TEXT",
               "prepended to every source line, as T5 models expect");
  options.choice("compat", hf_capacity, {{"hf", true}},
                 "hf: apply the model's expert_capacity, as Hugging Face's forward pass does");
}

void print_perplexity(const NamedText& source, const NamedText& reference,
                      const PerplexityOptions& options, const ScoreStyle& style, int threads) {
  const TextModel model = load_text_model(options.model, {.threads = threads});
  ReferenceScorerOptions scoring{.threads = threads,
                                 .source_prefix = options.source_prefix,
                                 .capacity = {},
                                 .source = escaped(source.name),
                                 .reference = escaped(reference.name)};
  if (options.hf_capacity)
    scoring.capacity.expert_capacity = model.model().config().expert_capacity;
  ReferenceScorer scorer(model, scoring);
  Totals totals;
  scorer.score(source.lines, reference.lines, [&](std::size_t line, const ScoredReference& result) {
    totals.log_prob += result.log_prob();
    totals.tokens += std::ssize(result.ids);
    ++totals.lines;
    if (options.per_line) write_stdout(line_of(line, result, model.tokenizer, style) + "\n");
  });
  const std::string summary = summary_of(totals, style.width);
  if (options.per_line)
    log_info(summary);
  else if (style.format == ScoreFormat::kJson)
    write_stdout(json_of(totals, style.width) + "\n");
  else if (style.format == ScoreFormat::kText)
    write_stdout(summary + "\n");
  else
    write_stdout(rounded(totals.perplexity(), style.width) + "\n");
}

}  // namespace switchyard
