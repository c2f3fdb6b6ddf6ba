// SPDX-License-Identifier: Apache-2.0
// make_model DIR [SENTINELS]: writes a small Switch model with random weights and its vocabulary,
// for tests of the tools. As in T5, the model has SENTINELS ids beyond the vocabulary. Its output
// is nonsense, but always the same.
#include <filesystem>
#include <iostream>
#include <string>

#include "src/core/rng.h"
#include "src/io/hf.h"
#include "src/text/tokenizer.h"

using namespace switchyard;

namespace {

Tokenizer make_tokenizer() {
  Rng rng(1);
  int sentences = 0;
  return Tokenizer::train(
      [&](std::string& sentence) {
        sentence.clear();
        for (std::uint64_t words = 3 + rng.below(6); words > 0; --words) {
          if (!sentence.empty()) sentence += ' ';
          for (std::uint64_t letters = 1 + rng.below(7); letters > 0; --letters)
            sentence += static_cast<char>('a' + rng.below(26));
        }
        sentence += '.';
        return sentences++ < 500;
      },
      200);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    std::cerr << "usage: make_model DIR [SENTINELS]\n";
    return 2;
  }
  const std::filesystem::path directory = argv[1];
  std::filesystem::create_directories(directory);
  const Tokenizer tokenizer = make_tokenizer();
  ModelConfig config;
  config.vocab_size = tokenizer.vocab_size() + (argc == 3 ? std::stoi(argv[2]) : 0);
  config.d_model = 16;
  config.d_kv = 8;
  config.num_heads = 2;
  config.d_ff = 32;
  config.num_layers = config.num_decoder_layers = 2;
  config.num_experts = 4;
  config.encoder_sparse = config.decoder_sparse = {false, true};

  const auto ctx = make_context({});
  Model model(config);
  ParamBuffer values(*ctx, model.layout());
  initialise(*ctx, model, 3, {.hf = true}, values);
  model.bind(*ctx, values);
  save_model(*ctx, directory, model, values, {});
  tokenizer.save(directory);
  return 0;
}
