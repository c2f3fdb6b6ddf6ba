// SPDX-License-Identifier: Apache-2.0
// switch-evaluate's scores by a model: log-probabilities of references, and their perplexity.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tools/options.h"

namespace switchyard {

struct PerplexityOptions {
  std::filesystem::path model, source;
  std::string source_prefix;
  bool hf_capacity = false;  // --compat hf
  bool per_line = false;

  // Adds the group "Model".
  void declare(Options& options);
};

// How the results are printed.
enum class ScoreFormat { kScoreOnly, kText, kJson };
struct ScoreStyle {
  ScoreFormat format = ScoreFormat::kJson;
  int width = 6;  // digits after the decimal point
};

// A text and its name in messages.
struct NamedText {
  std::string name;
  std::vector<std::string> lines;
};

// Prints the perplexity of the reference given the source or, with per_line, a line for each
// reference; the perplexity is then a log line. Both texts must have lines, the same number. Error
// as load_text_model() and ReferenceScorer::score().
void print_perplexity(const NamedText& source, const NamedText& reference,
                      const PerplexityOptions& options, const ScoreStyle& style, int threads);

}  // namespace switchyard
