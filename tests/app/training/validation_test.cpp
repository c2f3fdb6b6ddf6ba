// SPDX-License-Identifier: Apache-2.0
// Validation by value, with a model whose every logit is known.
#include "src/app/training/validation.h"

#include <cmath>

#include "src/nn/model.h"
#include "tests/support/catch.h"
#include "tests/text/small_tokenizer.h"

using namespace switchyard;

namespace {

// Its blocks add nothing, so a decoder state is the embedding of the previous token, of length 1
// after norm and scaling. After the start and after `said` the logits are 5 for `said`, 1 for the
// start and 0 for all others; after any other token all are 0. It never ends a sentence.
struct Parrot {
  static constexpr std::int32_t said = 20;

  explicit Parrot(const Tokenizer& tokenizer) : model(config(tokenizer)) {
    fill(*ctx, 0, values.flat());
    model.each_param([&](const Param& p) {
      if (p.name.find("final_layer_norm") != std::string::npos) fill(*ctx, 1, values[p]);
    });
    std::vector<float> embedding(static_cast<std::size_t>(2 * tokenizer.vocab_size()));
    embedding[static_cast<std::size_t>(2 * tokenizer.pad_id())] = 1;
    embedding[2 * said] = 5;
    const View shared = values[model.shared];
    upload(*ctx, embedding.data(), shared.size(), shared);
    model.bind(*ctx, values);
  }
  static ModelConfig config(const Tokenizer& tokenizer) {
    ModelConfig c;
    c.vocab_size = tokenizer.vocab_size();
    c.d_model = c.d_kv = c.d_ff = 2;
    c.num_heads = c.num_layers = c.num_decoder_layers = 1;
    c.encoder_sparse = c.decoder_sparse = {false};
    c.pad_token_id = c.decoder_start_token_id = tokenizer.pad_id();
    c.eos_token_id = tokenizer.eos_id();
    return c;
  }

  std::unique_ptr<Context> ctx = make_context({});
  Model model;
  ParamBuffer values{*ctx, model.layout()};
};

}  // namespace

TEST_CASE("validation: the loss is a mean over tokens; translations may be half as long again") {
  const Tokenizer& tokenizer = small_tokenizer();
  const Parrot parrot(tokenizer);
  TrainingData data;
  const std::int32_t eos = tokenizer.eos_id(), other = Parrot::said + 1;
  for (const Ids& target : {Ids{Parrot::said, Parrot::said, other, other, eos}, Ids{other, eos}}) {
    data.valid.source.push_back(Ids{other, eos});
    data.valid.target.push_back(target);
    data.valid_source.push_back("the train");
    data.valid_reference.push_back("die Weiche");
  }
  TrainingOptions options;
  const int threads = GENERATE(1, 2);
  CAPTURE(threads);
  const ValidationResult result = Validator(parrot.model, tokenizer, data, options, threads).run();

  // Two are `said`, two come after it or the start and are not, three come after other tokens.
  const double vocab = tokenizer.vocab_size();
  const double log_sum = std::log(std::exp(5) + std::exp(1) + vocab - 2);
  const double expected = (2 * (log_sum - 5) + 2 * log_sum + 3 * std::log(vocab)) / 7;
  CHECK(std::abs(result.ce_mean_words - expected) < 1e-5);
  const std::string translation = tokenizer.decode(Ids(5 + 5 / 2, Parrot::said));
  CHECK(result.translations == std::vector<std::string>{translation, translation});
}
