// SPDX-License-Identifier: Apache-2.0
// Tokenizes with a spiece.model as SentencePiece does, and tokens added to it as T5Tokenizer of
// transformers 4.57 does: the text between them is encoded piece by piece.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "src/text/added_token_files.h"
#include "src/text/tokenizer_kind.h"

namespace switchyard {

// `bytes` are those of a spiece.model, which messages call `name`; `files` are those next to it.
// Error(kData) if it is damaged, or if an added token contradicts the vocabulary.
std::unique_ptr<TokenizerKind> make_sentencepiece_tokenizer(std::string bytes,
                                                            std::string_view name,
                                                            AddedTokenFiles files);

}  // namespace switchyard
