// SPDX-License-Identifier: Apache-2.0
// Lines of text to the encoder's states after the final norm: last_hidden_state of Hugging Face's
// encoder. Always in float32.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "src/app/source_encoder.h"
#include "src/app/text_translator.h"
#include "src/core/team.h"
#include "src/nn/pass.h"

namespace switchyard {

struct TextEmbedderOptions {
  SourceOptions source;  // a line cannot be split
  int threads = 1;
  CapacityOptions capacity;
};

class TextEmbedder {
 public:
  // `model`, prepared in float32, must outlive this. Error(kUsage) naming an option that is out of
  // range.
  TextEmbedder(const TextModel& model, const TextEmbedderOptions& options);

  // Calls found(states) for every line, in order, with the states [tokens, d_model] of its tokens,
  // eos included; for a blank line, those of eos alone. They do not depend on the other lines, nor
  // on the number of threads. Memory does not grow with the number of lines beyond that of `lines`.
  // Warnings and errors are those of SourceEncoder; Error(kData) if a state is not finite or the
  // model's prepared file has changed.
  using Found = std::function<void(std::span<const float> states)>;
  void embed(const std::vector<std::string>& lines, const Found& found);

  const SourceCounts& counts() const { return source_.counts(); }
  std::int64_t tokens() const { return tokens_; }
  void warn_of_unknown_tokens() { source_.warn_of_unknown_tokens(); }

 private:
  using States = std::vector<float>;
  std::vector<States> states_of(const std::vector<Ids>& sequences);
  void check_finite(const States& states, std::int64_t line) const;

  const TextModel& model_;
  TextEmbedderOptions options_;
  SourceEncoder source_;
  Team team_;
  std::vector<std::unique_ptr<Context>> contexts_;  // of the threads
  std::int64_t tokens_ = 0;
};

// Returns the mean of `states` [tokens, columns] over the tokens.
std::vector<float> mean_of_rows(std::span<const float> states, std::int64_t columns);

}  // namespace switchyard
