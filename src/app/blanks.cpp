// SPDX-License-Identifier: Apache-2.0
#include "src/app/blanks.h"

#include <map>
#include <optional>

#include "src/core/ids.h"
#include "src/text/added_tokens.h"

namespace switchyard {

namespace {

struct Blank {
  std::size_t begin = 0, end = 0;  // in the line
  int sentinel = -1;               // its id
};

// Returns the first blank at or after `from`.
std::optional<Blank> next_blank(const Tokenizer& tokenizer, std::string_view line,
                                std::size_t from) {
  for (std::size_t begin = line.find('<', from); begin != line.npos;
       begin = line.find('<', begin + 1)) {
    const std::size_t close = line.find('>', begin);
    if (close == line.npos) break;
    const auto number = sentinel_number(line.substr(begin, close + 1 - begin));
    const int id = number ? tokenizer.sentinel_id(*number) : -1;
    if (id >= 0) return Blank{begin, close + 1, id};
  }
  return std::nullopt;
}

// Returns the words after each sentinel, by its id.
std::map<int, std::string> words_of(const Tokenizer& tokenizer,
                                    std::span<const std::int32_t> generated) {
  std::map<int, Ids> spans;
  Ids before;  // ids before the first sentinel belong to no blank
  Ids* span = &before;
  for (const std::int32_t id : generated) {
    if (tokenizer.is_sentinel(id)) {
      const auto [place, is_new] = spans.try_emplace(id);
      span = is_new ? &place->second : &before;
    } else if (id < tokenizer.vocab_size()) {  // a model's further ids have no text
      span->push_back(id);
    }
  }
  std::map<int, std::string> words;
  for (const auto& [sentinel, ids] : spans) words[sentinel] = tokenizer.decode(ids);
  return words;
}

}  // namespace

bool has_blanks(const Tokenizer& tokenizer, std::string_view line) {
  return next_blank(tokenizer, line, 0).has_value();
}

FilledLine fill_blanks(const Tokenizer& tokenizer, std::string_view line,
                       std::span<const std::int32_t> generated) {
  const std::map<int, std::string> words = words_of(tokenizer, generated);
  FilledLine result;
  std::size_t done = 0;
  while (const std::optional<Blank> blank = next_blank(tokenizer, line, done)) {
    result.text += line.substr(done, blank->begin - done);
    const auto found = words.find(blank->sentinel);
    if (found != words.end() && !found->second.empty()) {
      result.text += found->second;
    } else {
      result.text += line.substr(blank->begin, blank->end - blank->begin);
      result.complete = false;
    }
    done = blank->end;
  }
  result.text += line.substr(done);
  return result;
}

}  // namespace switchyard
