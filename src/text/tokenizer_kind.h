// SPDX-License-Identifier: Apache-2.0
// The part of Tokenizer that differs between spiece.model and tokenizer.json. Member functions are
// those of Tokenizer, unless a comment says more.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "src/core/ids.h"
#include "src/text/sentencepiece_model.h"
#include "src/text/special_tokens.h"

namespace switchyard {

class TokenizerKind {
 public:
  virtual ~TokenizerKind() = default;

  virtual int vocab_size() const = 0;
  virtual int pad_id() const = 0;
  virtual int eos_id() const = 0;
  virtual int unk_id() const = 0;
  virtual int sentinel_id(int number) const = 0;
  virtual bool is_sentinel(int id) const = 0;

  // For a text of valid UTF-8.
  virtual Ids encode(std::string_view text, Spelled spelled) const = 0;
  // For a text of valid UTF-8.
  virtual std::vector<std::string> unknown_parts(std::string_view text) const = 0;
  // The ids are valid. The text may have line ends and ill-formed UTF-8.
  virtual std::string decode(std::span<const std::int32_t> ids, Special special) const = 0;
  // The id is valid.
  virtual std::string_view piece(int id) const = 0;

  virtual void save(const std::filesystem::path& directory) const = 0;
  virtual std::uint64_t hash() const = 0;
  virtual const SentencePieceTraits& traits() const = 0;
};

}  // namespace switchyard
