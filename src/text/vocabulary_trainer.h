// SPDX-License-Identifier: Apache-2.0
// Trains SentencePiece unigram models with T5's ids: pad 0, eos 1, unk 2.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace switchyard {

// See Tokenizer::train(). Returns the bytes of the model.
std::string train_vocabulary(const std::function<bool(std::string&)>& next, std::int64_t vocab_size,
                             std::int64_t max_lines, const std::string& normalization);

}  // namespace switchyard
