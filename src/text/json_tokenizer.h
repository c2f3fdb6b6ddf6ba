// SPDX-License-Identifier: Apache-2.0
// Tokenizes as transformers 5.24 and `tokenizers` 0.23.3 do with T5's tokenizer.json. This is not
// what SentencePiece does with the same vocabulary: the rules replace whole grapheme clusters, so
// that combining marks may vanish with the character before them, the shortest rule wins, and text
// is split at every kind of whitespace.
#pragma once

#include <memory>

#include "src/text/added_token_files.h"
#include "src/text/tokenizer_kind.h"

namespace switchyard {

// `bytes` are those of a tokenizer.json, which messages call `name`; `files` are those next to it.
// Error(kData) as parse_tokenizer_json(), and if an added token contradicts the vocabulary.
std::unique_ptr<TokenizerKind> make_json_tokenizer(std::string bytes, std::string_view name,
                                                   AddedTokenFiles files);

}  // namespace switchyard
