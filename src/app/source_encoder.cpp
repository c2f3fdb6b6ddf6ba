// SPDX-License-Identifier: Apache-2.0
#include "src/app/source_encoder.h"

#include <cstddef>
#include <string_view>

#include "src/app/vocabulary_warnings.h"
#include "src/core/error.h"
#include "src/core/log.h"

namespace switchyard {
namespace {

// Longer lines are tokenized in stretches of at most this many bytes, which bounds memory: the
// tokenizer reads only the first MiB of its input.
constexpr std::size_t kStretchBytes = std::size_t{1} << 18;

// Returns at most the first kStretchBytes of `text`, ending before the last space if that is in the
// second half, else at the end of a character.
std::string_view stretch(std::string_view text) {
  const std::size_t limit = kStretchBytes;
  if (text.size() <= limit) return text;
  const std::size_t space = text.rfind(' ', limit);
  if (space != std::string_view::npos && space > limit / 2) return text.substr(0, space);
  std::size_t end = limit;
  while (end > limit - 4 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

// Returns the end of a part that begins at `begin` and has at most `room` tokens: after the last
// sentence that ends in the second half of the room, else before the last word that starts there,
// else after `room` tokens.
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

}  // namespace

SourceEncoder::SourceEncoder(const Tokenizer& tokenizer, std::int64_t vocab_size,
                             const SourceOptions& options)
    : tokenizer_(tokenizer), prefix_(tokenizer.encode(options.source_prefix)), options_(options) {
  prefix_.pop_back();
  const auto least = static_cast<std::int64_t>(prefix_.size()) + 2;
  check(options.max_input_length >= least, ErrorKind::kUsage,
        "maximum input length: ", options.max_input_length, ", expected at least ", least,
        prefix_.empty() ? "" : " with this source prefix");
  const int sentinel = tokenizer.sentinel_id(0);
  check(!options.sentinels || (sentinel >= 0 && sentinel < vocab_size), ErrorKind::kUsage,
        "sentinels: the model's vocabulary has no <extra_id_0>");
}

std::vector<Ids> SourceEncoder::encode(const std::string& line) {
  // In tokens, without eos.
  const auto room = static_cast<std::size_t>(options_.max_input_length) - prefix_.size() - 1;
  const bool split = options_.long_input == LongInput::kSplit;
  ++counts_.lines;
  Ids ids;
  std::int64_t replaced = 0;
  std::string_view rest = line;
  do {
    const std::string_view text = stretch(rest);
    const Ids more = tokenizer_.encode(text, &replaced,
                                       options_.sentinels ? Spelled::kSentinels : Spelled::kText);
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
    Ids& part = parts.emplace_back();
    part.reserve(prefix_.size() + (end - begin) + 1);
    part.insert(part.end(), prefix_.begin(), prefix_.end());
    part.insert(part.end(), ids.begin() + static_cast<std::ptrdiff_t>(begin),
                ids.begin() + static_cast<std::ptrdiff_t>(end));
    part.push_back(tokenizer_.eos_id());
    begin = end;
  }
  return parts;
}

void SourceEncoder::warn_of_unknown_tokens() {
  if (unknown_.unknown() > warned_of_unknown_ &&
      switchyard::warn_of_unknown_tokens(options_.input, unknown_))
    warned_of_unknown_ = unknown_.unknown();
}

void SourceEncoder::warn_once_of_unknown_tokens() {
  if (warned_of_unknown_ == 0) warn_of_unknown_tokens();
}

std::string SourceEncoder::place() const {
  return options_.input + ":" + std::to_string(counts_.lines);
}

}  // namespace switchyard
