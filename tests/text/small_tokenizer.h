// SPDX-License-Identifier: Apache-2.0
// A tokenizer for tests, trained on sentences made of a few words.
#pragma once

#include "src/core/rng.h"
#include "src/text/tokenizer.h"
#include "tests/support/temp_directory.h"

namespace switchyard {

inline std::vector<std::string> small_sentences(int count) {
  static const char* words[] = {"the",    "train",   "leaves",  "station", "a",
                                "switch", "yard",    "sorts",   "wagons",  "Zug",
                                "fährt",  "über",    "die",     "Weiche",  "große",
                                "Straße", "langsam", "schnell", "heute",   "morgen"};
  Rng rng(7);
  std::vector<std::string> sentences;
  for (int i = 0; i < count; ++i) {
    std::string sentence;
    const auto length = 3 + rng.below(8);
    for (std::uint64_t w = 0; w < length; ++w) {
      if (w > 0) sentence += ' ';
      sentence += words[rng.below(std::size(words))];
    }
    sentence += '.';
    sentences.push_back(sentence);
  }
  return sentences;
}

inline Tokenizer train_tokenizer(const std::vector<std::string>& sentences, int vocab_size,
                                 const std::string& normalization = "nmt_nfkc") {
  std::size_t i = 0;
  return Tokenizer::train(
      [&](std::string& sentence) {
        if (i == sentences.size()) return false;
        sentence = sentences[i++];
        return true;
      },
      vocab_size, normalization);
}

inline const Tokenizer& small_tokenizer() {
  static const Tokenizer tokenizer = train_tokenizer(small_sentences(400), 80);
  return tokenizer;
}

// The bytes of its spiece.model.
inline std::string model_bytes(const Tokenizer& tokenizer) {
  const TempDirectory directory;
  tokenizer.save(directory.path());
  return read_text(directory / "spiece.model");
}

}  // namespace switchyard
