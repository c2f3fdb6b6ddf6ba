// SPDX-License-Identifier: Apache-2.0
#include "src/app/text_translator.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string_view>

#include "src/app/training/directory.h"
#include "src/app/vocabulary_warnings.h"
#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/core/log.h"

namespace switchyard {
namespace {

namespace fs = std::filesystem;

// A line goes to the tokenizer in stretches of at most this many bytes, so that one of any size
// needs bounded memory; the tokenizer itself takes a megabyte.
constexpr std::size_t kStretchBytes = std::size_t{1} << 18;

// The first bytes of `text`, ending before a space where there is one in their second half, else
// before a character.
std::string_view stretch(std::string_view text) {
  const std::size_t limit = kStretchBytes;
  if (text.size() <= limit) return text;
  const std::size_t space = text.rfind(' ', limit);
  if (space != std::string_view::npos && space > limit / 2) return text.substr(0, space);
  std::size_t end = limit;
  while (end > limit - 4 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

// Where to end a part of ids that begins at `begin` and may have `room` tokens: after the last end
// of a sentence, else before the last word, in the second half of the room; else after the room.
std::size_t end_of_part(const Tokenizer& tokenizer, const Ids& ids, std::size_t begin,
                        std::size_t room) {
  if (ids.size() - begin <= room) return ids.size();
  const auto ends_sentence = [&](std::size_t i) {
    const std::string_view piece = tokenizer.piece(ids[i]);
    return !piece.empty() && (piece.back() == '.' || piece.back() == '!' || piece.back() == '?');
  };
  std::size_t word = begin + room;
  bool found_word = false;
  for (std::size_t end = begin + room; end > begin + room / 2; --end) {
    if (!tokenizer.starts_word(ids[end])) continue;
    if (ends_sentence(end - 1)) return end;
    if (!found_word) word = end;
    found_word = true;
  }
  return word;
}

std::string score_text(float score) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.6g", static_cast<double>(score));
  return text;
}

TranslatorOptions translator_options(const TextTranslatorOptions& options,
                                     const Tokenizer& tokenizer) {
  TranslatorOptions result = options.translator;
  result.search.scores = options.n_best || options.scores;
  if (options.no_unk) result.search.suppressed_id = tokenizer.unk_id();
  return result;
}

bool is_there(const fs::path& path) {
  std::error_code error;  // a problem with the path is reported where it is opened
  return fs::exists(path, error);
}

// Explains a training folder that has no best model yet.
void check_no_training_folder(const fs::path& folder) {
  if (!is_there(folder / kSettingsFile)) return;
  const fs::path last = folder / "last";
  check(is_there(last), ErrorKind::kData, escaped(folder.native()),
        ": no model yet, because the training run has not saved a checkpoint");
  fail(ErrorKind::kData, escaped(folder.native()),
       ": no best model yet, because nothing has been validated; use ", escaped(last.native()));
}

}  // namespace

TextModel load_text_model(const fs::path& folder, bool allow_nonfinite) {
  fs::path found = folder;
  if (!is_there(folder / "config.json")) {
    if (is_there(folder / "best" / "config.json"))
      found = folder / "best";
    else
      check_no_training_folder(folder);
  }
  fs::path pieces = found / "spiece.model";
  if (!is_there(pieces) && is_there(folder / "spiece.model")) pieces = folder / "spiece.model";

  auto ctx = make_context({1, true});
  LoadedModel loaded = load_model(*ctx, found, allow_nonfinite);
  check(is_there(pieces), ErrorKind::kData, escaped(found.native()),
        ": no spiece.model, expected the model's SentencePiece vocabulary beside its weights");
  Tokenizer tokenizer = Tokenizer::load(pieces);
  check_tokenizer(tokenizer, loaded.model->config(), pieces.string());
  loaded.model->prepare(*ctx);
  return {found, std::move(ctx), std::move(loaded), std::move(tokenizer)};
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
      prefix_(tokenizer.encode(options.source_prefix)),
      vocab_size_(tokenizer.vocab_size()),
      options_(options),
      translator_(model, translator_options(options, tokenizer)) {
  prefix_.pop_back();
  const auto least = static_cast<std::int64_t>(prefix_.size()) + 2;
  check(options.max_input_length >= least, ErrorKind::kUsage,
        "maximal input length: ", options.max_input_length, ", expected at least ", least,
        prefix_.empty() ? "" : " with this source prefix");
  check(options.long_input != LongInput::kSplit || !(options.n_best || options.scores),
        ErrorKind::kUsage, "a line translated in parts has no n-best list and no score");
}

std::vector<std::string> TextTranslator::translate(const std::vector<std::string>& lines) {
  const auto begin = std::chrono::steady_clock::now();
  std::vector<Ids> parts;
  std::vector<std::size_t> parts_end;  // of each line
  for (const std::string& line : lines) {
    ++counts_.lines;
    for (Ids& part : encode(line)) {
      counts_.source_tokens += static_cast<std::int64_t>(part.size());
      parts.push_back(std::move(part));
    }
    parts_end.push_back(parts.size());
  }

  const std::vector<NBest> found = translator_.translate(parts);
  const std::int64_t first_line = counts_.lines - static_cast<std::int64_t>(lines.size());
  std::vector<std::string> result;
  auto part = found.begin();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const auto end = found.begin() + static_cast<std::ptrdiff_t>(parts_end[i]);
    result.push_back(output(first_line + static_cast<std::int64_t>(i), {part, end}));
    part = end;
  }
  for (const NBest& n_best : found) count(n_best.front());
  if (warned_of_unknown_ == 0) warn_of_unknown_tokens();
  counts_.seconds +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

// The id sequences to translate for the line, each with eos: none for a blank line, several only
// where it is split.
std::vector<Ids> TextTranslator::encode(const std::string& line) {
  // Without eos.
  const auto room = static_cast<std::size_t>(options_.max_input_length) - prefix_.size() - 1;
  const bool split = options_.long_input == LongInput::kSplit;
  Ids ids;
  std::int64_t replaced = 0;
  std::string_view rest = line;
  do {
    const std::string_view text = stretch(rest);
    const Ids more = tokenizer_.encode(text, &replaced);
    unknown_.add(tokenizer_, more, text);
    ids.insert(ids.end(), more.begin(), more.end() - 1);
    rest.remove_prefix(text.size());
  } while (!rest.empty() && (split || ids.size() <= room));
  check(!options_.strict || replaced == 0, ErrorKind::kData, place(), ": not UTF-8 (--strict)");
  if (replaced > 0 && counts_.replaced == 0) counts_.first_replaced_line = counts_.lines;
  counts_.replaced += replaced;
  if (ids.empty()) return {};

  if (ids.size() > room) {
    ++counts_.long_lines;
    check(options_.long_input != LongInput::kError, ErrorKind::kData, place(), ": more than ",
          options_.max_input_length, " tokens (--max-input-length)");
    if (!split) {
      log_warning(place() + ": cropped to " + std::to_string(options_.max_input_length) +
                  " tokens (--max-input-length)");
      ids.resize(room);
    }
  }
  std::vector<Ids> parts;
  for (std::size_t begin = 0; begin < ids.size();) {
    const std::size_t end = end_of_part(tokenizer_, ids, begin, room);
    Ids& part = parts.emplace_back(prefix_);
    part.insert(part.end(), ids.begin() + static_cast<std::ptrdiff_t>(begin),
                ids.begin() + static_cast<std::ptrdiff_t>(end));
    part.push_back(tokenizer_.eos_id());
    begin = end;
  }
  return parts;
}

void TextTranslator::warn_of_unknown_tokens() {
  if (unknown_.unknown() > warned_of_unknown_ &&
      switchyard::warn_of_unknown_tokens(options_.input, unknown_))
    warned_of_unknown_ = unknown_.unknown();
}

std::string TextTranslator::place() const {
  return options_.input + ":" + std::to_string(counts_.lines);
}

void TextTranslator::count(const Hypothesis& best) {
  counts_.target_tokens += static_cast<std::int64_t>(best.ids.size());
  counts_.unknown_target_tokens +=
      std::count(best.ids.begin(), best.ids.end(), tokenizer_.unk_id());
  // Ids above the tokenizer's pieces are T5's sentinels, <extra_id_0> and so on: what a model says
  // that has learnt nothing yet but to fill gaps in (English) text.
  const bool has_sentinel = std::any_of(best.ids.begin(), best.ids.end(),
                                        [&](std::int32_t id) { return id >= vocab_size_; });
  if (!has_sentinel || warned_of_sentinels_) return;
  warned_of_sentinels_ = true;
  log_warning(
      "the model answers with sentinels (<extra_id_0>): it has been pretrained to fill gaps in "
      "text, not to translate, and has to be fine-tuned first");
}

std::string TextTranslator::decode(const Hypothesis& hypothesis) const {
  // A model's vocabulary may be larger than its tokenizer's (T5's is): such ids have no text.
  Ids ids;
  for (const std::int32_t id : hypothesis.ids)
    if (id < vocab_size_) ids.push_back(id);
  return tokenizer_.decode(ids);
}

std::string TextTranslator::output(std::int64_t line, const std::vector<NBest>& parts) const {
  // A blank line has one hypothesis: nothing, with certainty.
  const NBest blank(1);
  const NBest& first = parts.empty() ? blank : parts.front();
  std::string text;
  if (options_.n_best) {
    for (const Hypothesis& h : first) {
      if (!text.empty()) text += '\n';
      text += std::to_string(line) + " ||| " + decode(h) + " ||| " + score_text(h.score);
    }
    return text;
  }
  for (const NBest& part : parts) {
    if (!text.empty()) text += ' ';
    text += decode(part.front());
  }
  if (options_.scores) text += " ||| " + score_text(first.front().score);
  return text;
}

}  // namespace switchyard
