// SPDX-License-Identifier: Apache-2.0
// Validates the bytes of a SentencePiece model before SentencePiece parses them.
#pragma once

#include <string_view>

namespace switchyard {

// Error(kData) if a model could harm the program that loads it: SentencePiece 0.1.97 crashes on
// some damaged files. Says what is wrong, not in which file.
void check_sentencepiece_model(std::string_view bytes);

}  // namespace switchyard
