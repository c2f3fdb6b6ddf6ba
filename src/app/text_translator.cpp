// SPDX-License-Identifier: Apache-2.0
#include "src/app/text_translator.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "src/app/training/directory.h"
#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/core/log.h"
#include "src/io/prepared_model.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

TranslatorOptions translator_options(const TextTranslatorOptions& options,
                                     const Tokenizer& tokenizer) {
  TranslatorOptions result = options.translator;
  // An n-best list of distinct texts may need more hypotheses than it has entries: a text may occur
  // in several segmentations.
  result.search.return_all =
      result.search.num_return_sequences > 1 && !result.search.samples_alone();
  if (options.no_unk) result.search.suppressed_id = tokenizer.unk_id();
  return result;
}

bool is_there(const fs::path& path) {
  std::error_code error;  // ignored: opening the path reports it
  return fs::exists(path, error);
}

// A prepared file shows which type the user wants, even if this machine cannot use the file itself.
DType automatic_type(const fs::path& directory) {
  for (const DType type : {DType::i8, DType::bf16})
    if (computes_natively(type) && is_there(directory / prepared_name(type))) return type;
  return DType::f32;
}

// Explains a training directory that has no best model yet.
void check_no_training_directory(const fs::path& directory) {
  if (!is_there(directory / kSettingsFile)) return;
  const fs::path last = directory / "last";
  check(is_there(last), ErrorKind::kData, escaped(directory.native()),
        ": no model yet, because the training run has not saved a checkpoint");
  fail(ErrorKind::kData, escaped(directory.native()),
       ": no best model yet, because nothing has been validated; use ", escaped(last.native()));
}

}  // namespace

TextModel load_text_model(const fs::path& directory, const TextModelOptions& options) {
  fs::path found = directory;
  if (!is_there(directory / "config.json")) {
    if (is_there(directory / "best" / "config.json"))
      found = directory / "best";
    else
      check_no_training_directory(directory);
  }
  const fs::path vocabulary_home = Tokenizer::find(found) ? found : directory;
  const std::optional<fs::path> vocabulary = Tokenizer::find(vocabulary_home);

  const DType type = options.compute_type.value_or(automatic_type(found));
  auto ctx = make_context({options.threads, true, type});
  LoadedModel loaded = load_prepared_model(*ctx, found, options.allow_nonfinite);
  check(vocabulary.has_value(), ErrorKind::kData, escaped(found.native()),
        ": no spiece.model or tokenizer.json, expected the model's vocabulary next to its weights");
  Tokenizer tokenizer = Tokenizer::load_directory(vocabulary_home);
  check_tokenizer(tokenizer, loaded.model->config(), vocabulary->string());
  std::string reason;
  if (!options.compute_type)
    reason = is_there(found / prepared_name(type)) ? "auto: " + prepared_name(type)
                                                   : "auto: as the weights are stored";
  return {found, std::move(ctx), std::move(loaded), std::move(tokenizer), type, std::move(reason)};
}

void check_tokenizer(const Tokenizer& tokenizer, const ModelConfig& config,
                     const std::string& name) {
  check(tokenizer.vocab_size() <= config.vocab_size, ErrorKind::kData, name, ": ",
        counted(tokenizer.vocab_size(), "piece"), ", expected at most the model's vocab_size ",
        config.vocab_size);
  check(tokenizer.eos_id() == config.eos_token_id, ErrorKind::kData, name, ": eos has id ",
        tokenizer.eos_id(), ", expected the model's eos_token_id ", config.eos_token_id);
  check(tokenizer.pad_id() < 0 || tokenizer.pad_id() == config.pad_token_id, ErrorKind::kData, name,
        ": pad has id ", tokenizer.pad_id(), ", expected the model's pad_token_id ",
        config.pad_token_id);
}

TextTranslator::TextTranslator(const Model& model, const Tokenizer& tokenizer,
                               const TextTranslatorOptions& options)
    : tokenizer_(tokenizer),
      vocab_size_(tokenizer.vocab_size()),
      options_(options),
      model_(model),
      source_(tokenizer, model.config().vocab_size, options),
      translator_(model, translator_options(options, tokenizer)) {
  const SearchOptions& search = options.translator.search;
  check(options.long_input != LongInput::kSplit ||
            !(search.num_return_sequences > 1 || search.scores),
        ErrorKind::kUsage, "a line translated in parts has no n-best list and no score");
}

std::vector<Translations> TextTranslator::translate(
    std::vector<std::string> lines, const std::vector<std::string>& target_prefixes) {
  const auto begin = std::chrono::steady_clock::now();
  const bool has_prefixes = !target_prefixes.empty();
  check(!has_prefixes || options_.long_input != LongInput::kSplit, ErrorKind::kUsage,
        "a line translated in parts has no target prefix");
  check(!has_prefixes || target_prefixes.size() == lines.size(), ErrorKind::kUsage,
        target_prefixes.size(), " target prefixes, expected ", lines.size(), ", one per line");
  std::vector<Ids> parts;
  std::vector<Ids> prefixes;           // of the parts, if there are any
  std::vector<std::size_t> parts_end;  // of each line
  parts.reserve(lines.size());
  parts_end.reserve(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string& line = lines[i];
    const std::int64_t number = counts_.lines + static_cast<std::int64_t>(i) + 1;
    Ids prefix;
    if (has_prefixes) prefix = encode_target_prefix(target_prefixes[i], number);
    for (Ids& part : source_.encode(line)) {
      if (has_prefixes) prefixes.push_back(prefix);
      counts_.source_tokens += static_cast<std::int64_t>(part.size());
      parts.push_back(std::move(part));
    }
    parts_end.push_back(parts.size());
    line = std::string();  // frees it
  }
  lines = std::vector<std::string>();
  static_cast<SourceCounts&>(counts_) = source_.counts();

  std::vector<Translations> found(parts.size());
  try {
    const auto keep = [&](std::size_t part, NBest hypotheses) {
      found[part] = distinct(std::move(hypotheses));
      parts[part] = Ids();  // frees it
    };
    translator_.translate(parts, prefixes, keep, parts_translated_);
  } catch (const Error&) {
    model_.check_unchanged();  // explains logits that are not finite
    throw;
  }
  model_.check_unchanged();
  parts_translated_ += parts.size();
  for (const Translations& part : found) count(part.front().ids);

  std::vector<Translations> result;
  result.reserve(parts_end.size());
  std::size_t part = 0;
  for (const std::size_t end : parts_end) {
    result.push_back(part < end ? std::move(found[part++]) : Translations(1));
    for (Translation& whole = result.back().front(); part < end; ++part) {
      const Translation& more = found[part].front();
      whole.ids.insert(whole.ids.end(), more.ids.begin(), more.ids.end());
      if (!whole.text.empty()) whole.text += ' ';
      whole.text += more.text;
      whole.score = 0;
    }
  }
  source_.warn_once_of_unknown_tokens();
  counts_.seconds +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

Ids TextTranslator::encode_target_prefix(const std::string& text, std::int64_t line) const {
  const std::string where =
      options_.target_prefixes + ":" + std::to_string(line) + ": target prefix ";
  std::int64_t replaced = 0;
  Ids ids =
      tokenizer_.encode(text, &replaced, options_.sentinels ? Spelled::kSentinels : Spelled::kText);
  ids.pop_back();  // eos
  check(replaced == 0, ErrorKind::kData, where, "is not UTF-8");
  const SearchOptions& search = options_.translator.search;
  check(std::ssize(ids) < search.max_new_tokens, ErrorKind::kData, where, "of ",
        counted(std::ssize(ids), "token"), ", expected fewer than the maximum output length ",
        search.max_new_tokens);
  for (const std::int32_t id : ids)
    check(id != model_.config().eos_token_id &&
              std::find(search.more_eos_ids.begin(), search.more_eos_ids.end(), id) ==
                  search.more_eos_ids.end(),
          ErrorKind::kData, where, "has the token '", tokenizer_.piece(id), "' (id ", id,
          "), expected none that ends a translation");
  return ids;
}

void TextTranslator::count(const Ids& best) {
  counts_.target_tokens += static_cast<std::int64_t>(best.size());
  counts_.unknown_target_tokens += std::count(best.begin(), best.end(), tokenizer_.unk_id());
  // T5's sentinels, <extra_id_0> and so on, are the output of a model that has only learned to fill
  // gaps in text. The tokenizer's files may not list them.
  const bool has_sentinel = std::any_of(best.begin(), best.end(), [&](std::int32_t id) {
    return id >= vocab_size_ || tokenizer_.is_sentinel(id);
  });
  if (!has_sentinel || options_.sentinels || warned_of_sentinels_) return;
  warned_of_sentinels_ = true;
  log_warning(
      "the model generates sentinels (<extra_id_0>): it was pretrained to fill gaps in text, "
      "not to translate, and must be fine-tuned first");
}

std::string TextTranslator::decode(const Ids& hypothesis) const {
  // A model's vocabulary may be larger than its tokenizer's (T5's is): the extra ids have no text.
  Ids ids;
  for (const std::int32_t id : hypothesis)
    if (id < vocab_size_ || (options_.sentinels && tokenizer_.is_sentinel(id))) ids.push_back(id);
  if (!options_.sentinels) return tokenizer_.decode(ids);
  std::erase_if(
      ids, [&](std::int32_t id) { return id == tokenizer_.pad_id() || id == tokenizer_.eos_id(); });
  return tokenizer_.decode(ids, Special::kShow);
}

// Returns the first hypothesis of each distinct text, up to the number requested, or all if they
// are samples. Called on the workers' threads.
Translations TextTranslator::distinct(NBest hypotheses) const {
  const auto count = static_cast<std::size_t>(options_.translator.search.num_return_sequences);
  Translations result;
  result.reserve(std::min(count, hypotheses.size()));
  for (Hypothesis& h : hypotheses) {
    if (result.size() == count) break;
    std::string text = decode(h.ids);
    const bool repeats = !options_.translator.search.samples_alone() &&
                         std::any_of(result.begin(), result.end(),
                                     [&](const Translation& t) { return t.text == text; });
    if (!repeats) result.push_back({std::move(h.ids), std::move(text), h.score});
  }
  return result;
}

}  // namespace switchyard
