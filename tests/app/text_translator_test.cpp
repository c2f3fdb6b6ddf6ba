// SPDX-License-Identifier: Apache-2.0
// Text in and out, with a model whose every probability is known.
#include "src/app/text_translator.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/nn/model.h"
#include "tests/support/catch.h"
#include "tests/text/small_tokenizer.h"

using namespace switchyard;

namespace {

// A model of bigrams: what follows a token depends on that token's state alone.
class Bigrams {
 public:
  enum State { kStart, kWhole, kFirst, kOther, kLast, kStates };

  explicit Bigrams(const Tokenizer& tokenizer)
      : model_(config(tokenizer)), vocab_(tokenizer.vocab_size()) {
    fill(*ctx_, 0, values_.flat());
    model_.each_param([&](const Param& p) {
      if (p.name.find("final_layer_norm") != std::string::npos) fill(*ctx_, 1, values_[p]);
    });
    // A state is one of the dimensions. The blocks add nothing, and the last norm multiplies the
    // only element that is not 0 by sqrt(kStates).
    embedding_.assign(static_cast<std::size_t>(vocab_ * kStates), 0);
    head_.assign(embedding_.size(), std::log(1e-6f) / std::sqrt(float{kStates}));
    for (std::int32_t id = 0; id < vocab_; ++id) set_state(id, kLast);
    set_state(tokenizer.pad_id(), kStart);
  }
  void set_state(std::int32_t id, State state) {
    for (int s = 0; s < kStates; ++s) at(embedding_, id, s) = s == state ? 1 : 0;
  }
  void set_probability(State state, std::int32_t id, float p) {
    at(head_, id, state) = std::log(p) / std::sqrt(float{kStates});
  }
  const Model& model() {
    const View shared = values_[model_.shared], head = values_[*model_.lm_head];
    upload(*ctx_, embedding_.data(), shared.size(), shared);
    upload(*ctx_, head_.data(), head.size(), head);
    model_.bind(*ctx_, values_);
    return model_;
  }

 private:
  static ModelConfig config(const Tokenizer& tokenizer) {
    ModelConfig c;
    c.vocab_size = tokenizer.vocab_size();
    c.d_model = kStates;
    c.d_kv = c.d_ff = 2;
    c.num_heads = c.num_layers = c.num_decoder_layers = 1;
    c.encoder_sparse = c.decoder_sparse = {false};
    c.pad_token_id = c.decoder_start_token_id = tokenizer.pad_id();
    c.eos_token_id = tokenizer.eos_id();
    c.tie_word_embeddings = c.scale_decoder_outputs = false;
    return c;
  }
  static float& at(std::vector<float>& matrix, std::int32_t id, int state) {
    return matrix[static_cast<std::size_t>(id * kStates + state)];
  }

  std::unique_ptr<Context> ctx_ = make_context({});
  Model model_;
  ParamBuffer values_{*ctx_, model_.layout()};
  std::int32_t vocab_;
  std::vector<float> embedding_, head_;  // [vocab, kStates]
};

// Ids whose pieces are "ab", "a" and "b".
struct Segmentations {
  std::int32_t whole, first, last;
};
std::optional<std::int32_t> id_of(const Tokenizer& tokenizer, const std::string& piece) {
  for (std::int32_t id = 3; id < tokenizer.vocab_size(); ++id)
    if (tokenizer.piece(id) == piece) return id;
  return std::nullopt;
}
Segmentations find_segmentations(const Tokenizer& tokenizer) {
  for (std::int32_t id = 3; id < tokenizer.vocab_size(); ++id) {
    const std::string piece(tokenizer.piece(id));
    for (std::size_t cut = 1; cut < piece.size(); ++cut) {
      if ((static_cast<unsigned char>(piece[cut]) & 0xC0) == 0x80) continue;  // within a character
      const auto first = id_of(tokenizer, piece.substr(0, cut));
      const auto last = id_of(tokenizer, piece.substr(cut));
      if (first && last) return {id, *first, *last};
    }
  }
  FAIL("the vocabulary has no piece that others make up");
  return {};
}

}  // namespace

TEST_CASE("an n-best list has distinct texts, each with its best score") {
  const Tokenizer& tokenizer = small_tokenizer();
  const auto [whole, first, last] = find_segmentations(tokenizer);
  std::vector<std::int32_t> others;  // two more ids
  for (std::int32_t id = 3; others.size() < 2; ++id)
    if (id != whole && id != first && id != last) others.push_back(id);
  const std::int32_t eos = tokenizer.eos_id();

  // Ends, likeliest first: whole, first last, other eos; and behind these three whole other'.
  Bigrams bigrams(tokenizer);
  bigrams.set_state(whole, Bigrams::kWhole);
  bigrams.set_state(first, Bigrams::kFirst);
  bigrams.set_state(others[0], Bigrams::kOther);
  bigrams.set_probability(Bigrams::kStart, whole, 0.4f);
  bigrams.set_probability(Bigrams::kStart, first, 0.35f);
  bigrams.set_probability(Bigrams::kStart, others[0], 0.25f);
  bigrams.set_probability(Bigrams::kWhole, eos, 0.9f);
  bigrams.set_probability(Bigrams::kWhole, others[1], 0.1f);
  bigrams.set_probability(Bigrams::kFirst, last, 1);
  bigrams.set_probability(Bigrams::kOther, last, 1);
  bigrams.set_probability(Bigrams::kLast, eos, 1);

  TextTranslatorOptions options;
  options.translator.search.num_beams = 3;
  options.translator.search.length_penalty = 0;
  options.translator.search.num_return_sequences = GENERATE(1, 2, 3);
  const auto count = static_cast<std::size_t>(options.translator.search.num_return_sequences);
  TextTranslator translator(bigrams.model(), tokenizer, options);
  const std::vector<Translations> lines = translator.translate({"the train", "", "a yard"});
  REQUIRE(lines.size() == 3);
  REQUIRE(lines[1].size() == 1);
  CHECK(lines[1][0].text.empty());
  CHECK(lines[1][0].ids.empty());
  const std::pair<Ids, double> expected[] = {
      {{whole, eos}, 0.4 * 0.9}, {{others[0], last, eos}, 0.25}, {{whole, others[1], eos}, 0.04}};
  for (const std::size_t line : {0, 2}) {
    REQUIRE(lines[line].size() == count);
    for (std::size_t i = 0; i < count; ++i) {
      CAPTURE(line, i);
      CHECK(lines[line][i].ids == expected[i].first);
      CHECK(lines[line][i].text == tokenizer.decode(expected[i].first));
      CHECK(std::abs(static_cast<double>(lines[line][i].score) - std::log(expected[i].second)) <
            1e-3);
    }
  }
  CHECK(tokenizer.decode(Ids{first, last}) == tokenizer.decode(Ids{whole}));
}
