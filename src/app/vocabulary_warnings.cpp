// SPDX-License-Identifier: Apache-2.0
#include "src/app/vocabulary_warnings.h"

#include "src/app/figures.h"
#include "src/core/error.h"
#include "src/core/log.h"

namespace switchyard {

namespace {

constexpr std::int64_t kLinesLookedAt = 10'000;
constexpr std::size_t kExampleBytes = 60;

std::string quoted(const std::string& text) {
  return std::string(1, '"').append(escaped(text, kExampleBytes)).append(1, '"');
}

}  // namespace

bool warn_of_unknown_tokens(const std::string& name, const UnknownTokens& tokens) {
  if (tokens.share() <= kWarningShare) return false;
  std::string examples;
  for (const std::string& example : tokens.examples())
    examples += (examples.empty() ? ", such as " : ", ") + quoted(example);
  log_warning(name + ": " + percent(tokens.share()) + " of " + with_commas(tokens.tokens()) +
              " tokens are unknown to the vocabulary" + examples +
              "; the model cannot tell them apart");
  return true;
}

void warn_of_changed_lines(const std::string& name, const Tokenizer& tokenizer,
                           const std::vector<std::string>& lines) {
  const ChangedLines found = changed_lines(tokenizer, lines, kLinesLookedAt);
  const double share = static_cast<double>(found.changed) / static_cast<double>(found.lines);
  if (!(share > kWarningShare)) return;
  log_warning(name + ": the vocabulary's normalization alters " + percent(share) + " of " +
              with_commas(found.lines) + " lines: " + quoted(found.before) + " becomes " +
              quoted(found.after) + ", in translations too; a vocabulary trained with " +
              "--normalization identity leaves text as it is");
}

void warn_of_differences_in_transformers(const std::string& file, const Tokenizer& tokenizer) {
  std::string reasons;
  for (const std::string& reason : differences_in_transformers(tokenizer))
    reasons += (reasons.empty() ? "" : ", ") + reason;
  if (reasons.empty()) return;
  log_warning(file +
              ": transformers will tokenize some text differently from this program, because " +
              reasons);
}

}  // namespace switchyard
