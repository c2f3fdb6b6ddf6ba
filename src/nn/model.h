// SPDX-License-Identifier: Apache-2.0
// The encoder-decoder model: token embedding, two stacks of blocks, output head. The loss is in
// nn/loss, the decoding step in nn/decoder_state.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/nn/batch.h"
#include "src/nn/block.h"
#include "src/nn/config.h"
#include "src/nn/relative_bias.h"
#include "src/nn/rms_norm.h"

namespace switchyard {

enum class StackKind { encoder, decoder };

// The encoder, or the decoder.
struct Stack {
  StackKind kind = StackKind::encoder;
  std::optional<Param> embed_tokens;  // [vocab_size, d_model]; unset if Model::shared is used
  // Points to embed_tokens or Model::shared; set by the Model, which cannot be copied or moved.
  const Param* embedding = nullptr;
  RelativeBias position;
  std::vector<Block> blocks;
  RmsNorm final_norm;
  std::uint64_t site = 0;

  struct Saved {
    Pass pass;
    ConstView ids;  // [tokens, 1] i32
    StackInputs in;
    std::vector<Block::Saved> blocks;  // empty with Pass::recompute
    // With Pass::recompute: each block's input, [tokens, d_model] f32.
    std::vector<View> block_inputs;
    RmsNorm::Saved final_norm;
  };

  Stack() = default;
  Stack(const ModelConfig& config, StackKind kind);

  // ids [tokens, 1] i32 -> the states after the final norm, [tokens, d_model] of compute type, in
  // ctx.saved. `memory` is the encoder's output for the decoder, otherwise null.
  View forward(Context& ctx, const Pass& pass, ConstView ids, const Ragged& tokens,
               const States* memory, Saved& s) const;
  // dy [tokens, d_model] f32: the gradient w.r.t. the states; overwritten.
  void backward(Context& ctx, View dy, const Saved& s, const StackGrads& to) const;

  template <class F>
  void each_param(F&& f) {
    if (embed_tokens) f(*embed_tokens);
    // In Hugging Face's order: block 0's table comes with its self-attention.
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      if (i == 0) position.each_param(f);
      blocks[i].each_param(f);
    }
    final_norm.each_param(f);
  }

 private:
  // x [tokens, d_model] f32 -> the output of block i, as in Block::forward. With Pass::recompute,
  // only the output remains in ctx.saved.
  View forward_block(Context& ctx, std::size_t i, View x, Saved& s) const;
};

class Model {
 public:
  // Parameters have names, shapes and places in layout(), but no values until bind().
  explicit Model(const ModelConfig& config);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelConfig& config() const { return config_; }
  const ParamLayout& layout() const { return layout_; }

  // Binds the parameters to `values`, which must have this layout and outlive the model.
  void bind(Context& ctx, const ParamBuffer& values);
  // Packs every matmul weight for contexts like ctx. Call it once the values are final; in
  // bfloat16, also whenever anything but an optimizer has changed them. Error(kRuntime) naming the
  // parameter if a weight has no value or too many inputs for int8; so does load_prepared().
  void prepare(Context& ctx);
  // For translation, instead of bind() and prepare(): loads one parameter after another and keeps
  // the values, which the model then owns, only if no packed form replaces them. Thus one matmul
  // weight at a time is in memory twice. `read` writes a parameter's value to a view of its shape
  // without gaps; if it throws, load the model again or discard it.
  using ReadParam = std::function<void(const Param&, View)>;
  void load_prepared(Context& ctx, const ReadParam& read);
  // The same from a file that has packed weights.
  struct PreparedWeights {
    // Returns the bytes for adopt_packed(), of a parameter that stored_layout() finds packed.
    std::function<std::shared_ptr<const void>(const Param&)> packed;
    ReadParam read;  // of all others
    // Throws Error(kData) if the bytes of packed weights have changed since they were returned.
    std::function<void()> check_unchanged;
  };
  void adopt_prepared(Context& ctx, const PreparedWeights& weights);
  // Throws PreparedWeights::check_unchanged()'s error. Call it after computing and before using the
  // results. Thread-safe.
  void check_unchanged() const {
    if (check_unchanged_) check_unchanged_();
  }

  // Calls f(Param&) for every parameter, in the order of Param::index.
  template <class F>
  void each_param(F&& f) {
    f(shared);
    encoder.each_param(f);
    decoder.each_param(f);
    if (lm_head) f(*lm_head);
  }
  template <class F>
  void each_param(F&& f) const {
    const_cast<Model*>(this)->each_param([&](const Param& param) { f(param); });
  }

  const Param& head() const { return lm_head ? *lm_head : shared; }
  // The factor applied to the decoder's states before the head: d_model^-0.5 or 1.
  float head_scale() const;

  // Teacher-forced logits [target tokens, vocab_size] in ctx.saved; for tests.
  View logits(Context& ctx, const Pass& pass, const Batch& batch) const;

  Param shared;  // [vocab_size, d_model]
  Stack encoder, decoder;
  std::optional<Param> lm_head;

 private:
  void bind_experts(Context& ctx);
  // Allocates a value of the parameter's shape, zeroed and owned by the model.
  View own_value(Context& ctx, const Param& param);

  ModelConfig config_;
  ParamLayout layout_;
  std::vector<Tensor> owned_;  // values, after load_prepared()
  std::function<void()> check_unchanged_;
};

// The layout in which a file has the parameter for contexts like ctx: packed_layout(), or empty for
// its float32 value.
std::string stored_layout(const Context& ctx, const Param& param);

// The number of parameters of a model, and of those that one token uses: one expert per sparse
// layer. Counted with each_param on a model with one expert per layer, so thousands of experts cost
// nothing.
std::int64_t parameter_count(const ModelConfig& config);
std::int64_t active_parameter_count(const ModelConfig& config);

struct Initialisation {
  bool hf = false;  // Hugging Face's initialization instead of the paper's
  // Standard deviation of the embeddings. The paper's 1 suits large corpora: AdamW moves a row by
  // at most the learning rate per update, so on a small corpus the learned signal stays below the
  // initial noise.
  float embedding_std = 1;
};

// Fills `values` with a new model's parameters. The same seed gives the same values.
void initialise(Context& ctx, const Model& model, std::uint64_t seed, const Initialisation& start,
                const ParamBuffer& values);

}  // namespace switchyard
