// SPDX-License-Identifier: Apache-2.0
// Lines in, translations out: text to ids, the translator, ids to text. Every input line has a
// result, in order. A blank line stays blank; a line above the length limit is cropped, split or an
// error, never lost.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/app/source_encoder.h"
#include "src/decode/translator.h"
#include "src/io/hf.h"
#include "src/text/tokenizer.h"

namespace switchyard {

// A model loaded for translation, with packed weights, and a tokenizer that fits it.
struct TextModel {
  std::filesystem::path directory;
  std::unique_ptr<Context> ctx;
  LoadedModel loaded;
  Tokenizer tokenizer;
  DType compute_type = DType::f32;
  // The reason for an automatic compute type, for messages: "auto: prepared-int8.bin".
  std::string type_reason;

  const Model& model() const { return *loaded.model; }
};

struct TextModelOptions {
  // The type that weights are packed in: f32, bf16 or i8. Unset: int8, else bfloat16, if the
  // directory has a prepared file of that type and the machine has instructions for it; else
  // float32.
  std::optional<DType> compute_type = DType::f32;
  bool allow_nonfinite = false;
  int threads = 1;  // for packing the weights
};

// `directory` is a model directory, or a training directory, whose best model is loaded. Throws
// what load_model() and Tokenizer::load() throw, and Error(kData) if the tokenizer does not fit the
// model or the training run has no best model yet.
TextModel load_text_model(const std::filesystem::path& directory,
                          const TextModelOptions& options = {});

// Error(kData), with `name` and both numbers, unless the tokenizer's vocabulary fits into the
// model's, eos is the same, and so is pad if the tokenizer has one.
void check_tokenizer(const Tokenizer& tokenizer, const ModelConfig& config,
                     const std::string& name);

// With sentinels, translations show them, too.
struct TextTranslatorOptions : SourceOptions {
  TranslatorOptions translator;
  // The name of the target prefixes in messages.
  std::string target_prefixes = "target prefixes";
  bool no_unk = false;  // never generate <unk>
};

struct Translation {
  Ids ids;  // ends in eos unless max_new_tokens cut it off
  std::string text;
  // Set with SearchOptions::scores, a beam or sampling, unless the line was split.
  float score = 0;
};
// A line's translations, best first, with distinct texts; each has its best segmentation's score.
// Samples are in the order in which they were drawn, and texts may repeat.
using Translations = std::vector<Translation>;

class TextTranslator {
 public:
  // Model and tokenizer must outlive this. Error(kUsage) naming an option that is out of range, or
  // if sentinels are asked for and the model has none.
  TextTranslator(const Model& model, const Tokenizer& tokenizer,
                 const TextTranslatorOptions& options);

  // For each line (without its line end), returns SearchOptions::num_return_sequences translations,
  // or fewer if the search found fewer distinct texts; for a blank line, one empty translation.
  // Samples depend on the number of lines and parts of lines translated before, over all calls, not
  // on how these are divided among the calls.
  // Frees each line once it is tokenized: move `lines` here to save memory. Messages count lines
  // over all calls. Warns about every cropped line, and once about a model that fills gaps instead
  // of translating. Error(kData) if the prepared file that holds the model's weights has changed
  // since it was loaded.
  // `target_prefixes`: empty, or for each line a text that its translations start with (CTranslate2
  // calls it target_prefix); an empty one leaves them free. A prefix is encoded on its own: one
  // that ends within a word may have other tokens than the model would generate. Prefixes count
  // towards max_new_tokens, but neither towards the score nor towards the length that normalizes
  // it. Error(kData) naming the line of a prefix that is too long, ends a translation or is not
  // UTF-8.
  std::vector<Translations> translate(std::vector<std::string> lines,
                                      const std::vector<std::string>& target_prefixes = {});

  struct Counts : SourceCounts {
    std::int64_t source_tokens = 0, target_tokens = 0;  // eos included; of the best translations
    std::int64_t unknown_target_tokens = 0;
    double seconds = 0;
  };
  const Counts& counts() const { return counts_; }

  // Warns if more than 1 % of the tokens read so far are unknown to the vocabulary and some of them
  // were read since the last warning. translate() warns only once, as soon as this is the case;
  // call this at the end of the input to report the final share.
  void warn_of_unknown_tokens() { source_.warn_of_unknown_tokens(); }

 private:
  Ids encode_target_prefix(const std::string& text, std::int64_t line) const;
  void count(const Ids& best);
  std::string decode(const Ids& hypothesis) const;
  Translations distinct(NBest hypotheses) const;

  const Tokenizer& tokenizer_;
  std::int64_t vocab_size_;
  TextTranslatorOptions options_;
  const Model& model_;
  SourceEncoder source_;
  Translator translator_;
  Counts counts_;
  std::uint64_t parts_translated_ = 0;
  bool warned_of_sentinels_ = false;
};

}  // namespace switchyard
