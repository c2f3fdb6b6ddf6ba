// SPDX-License-Identifier: Apache-2.0
// Looks through the bytes of a SentencePiece model before SentencePiece does.
#pragma once

#include <string_view>

namespace switchyard {

// Error(kData) where a model could harm the program that loads it: SentencePiece 0.1.97 follows
// indices of the file's normalization tables unchecked, overruns fixed arrays on deeply nested
// entries, and stops the process on others. Says what is wrong, not in which file.
void check_sentencepiece_model(std::string_view bytes);

}  // namespace switchyard
