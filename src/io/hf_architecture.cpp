// SPDX-License-Identifier: Apache-2.0
#include "src/io/hf_architecture.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/core/log.h"

namespace switchyard {

namespace {

using Found = HfTensors::Found;

// Removes a number and the dot after it from the start of `text`; returns -1 if there is none.
std::int64_t take_index(std::string_view& text) {
  std::int64_t index = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc{} || end == text.data() + text.size() || *end != '.' || index < 0)
    return -1;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return index;
}

// The evidence in the tensor names about one stack.
struct StackTensors {
  std::vector<bool> dense, sparse;   // by block: has such a feed-forward
  std::vector<std::string> example;  // by block: a tensor of its feed-forward
  std::string gated, plain;          // a tensor of a feed-forward of this kind, or empty
};

StackTensors inspect_stack(const HfTensors& tensors, const ModelConfig& config,
                           const std::string& stack, std::int64_t layers) {
  StackTensors s;
  s.dense.resize(static_cast<std::size_t>(layers));
  s.sparse.resize(static_cast<std::size_t>(layers));
  s.example.resize(static_cast<std::size_t>(layers));
  const std::string prefix = stack + ".block.";
  const std::string ffn = stack == "encoder" ? "layer.1." : "layer.2.";
  const std::string mlp = ffn + (config.model_type == "t5" ? "DenseReluDense." : "mlp.");
  for (const auto& [name, found] : tensors.all()) {
    if (!name.starts_with(prefix)) continue;
    std::string_view rest = std::string_view(name).substr(prefix.size());
    const std::int64_t block = take_index(rest);
    if (block < 0) continue;
    if (block >= layers)
      fail(ErrorKind::kData, "tensor ", escaped(name), ": block ", block, " of the ", stack,
           ", but config.json says ", counted(layers, "layer"),
           "; switch-convert -o corrects that");
    if (config.model_type == "t5" && rest.starts_with(ffn + "mlp.router."))
      fail(ErrorKind::kData, "tensor ", escaped(name),
           ": a router, but config.json says model_type \"t5\", which has none");
    if (!rest.starts_with(mlp)) continue;
    rest.remove_prefix(mlp.size());
    const auto i = static_cast<std::size_t>(block);
    s.example[i] = found.name;
    if (rest.starts_with("router.") || rest.starts_with("experts.")) {
      s.sparse[i] = true;
      if (rest.starts_with("router.classifier.bias") && !config.router_bias)
        fail(ErrorKind::kData, "tensor ", escaped(name),
             " exists, but config.json says router_bias false");
    } else {
      s.dense[i] = true;
    }
    if (rest.starts_with("experts.expert_")) {
      rest.remove_prefix(std::string_view("experts.expert_").size());
      const std::int64_t expert = take_index(rest);
      if (expert >= config.num_experts)
        fail(ErrorKind::kData, "tensor ", escaped(name), ": expert ", expert,
             ", but config.json says num_experts ", config.num_experts);
    }
    if (rest.starts_with("wi_")) s.gated = name;
    if (rest.starts_with("wi.")) s.plain = name;
    if (s.dense[i] && s.sparse[i])
      fail(ErrorKind::kData, "tensor ", escaped(name), ": block ", block, " of the ", stack,
           " has both a dense feed-forward and experts");
  }
  return s;
}

// Sets which blocks are sparse. The tensors decide, but their count must match config.json. A block
// without a feed-forward stays as in config.json; its tensors are then reported as missing.
void decide_placement(const StackTensors& tensors, const char* stack, bool listed,
                      std::vector<bool>& sparse) {
  std::vector<bool> found = tensors.sparse;
  for (std::size_t i = 0; i < found.size(); ++i)
    if (!tensors.dense[i] && !tensors.sparse[i]) found[i] = sparse[i];
  const auto in_file = std::count(found.begin(), found.end(), true);
  const auto in_config = std::count(sparse.begin(), sparse.end(), true);
  for (std::size_t i = 0; i < found.size(); ++i)
    if (found[i] != sparse[i] && (listed || in_file != in_config))
      fail(ErrorKind::kData, "tensor ", escaped(tensors.example[i]), ": a ",
           found[i] ? "sparse" : "dense", " layer, expected a ", sparse[i] ? "sparse" : "dense",
           " one: config.json makes ", counted(in_config, "layer"), " of the ", stack,
           " sparse, the file ", in_file);
  sparse = std::move(found);
}

// Returns true if feed-forwards are gated; all of a model's must be of one kind.
bool decide_gated(const StackTensors& encoder, const StackTensors& decoder, bool from_config) {
  const std::string& gated = encoder.gated.empty() ? decoder.gated : encoder.gated;
  const std::string& plain = encoder.plain.empty() ? decoder.plain : encoder.plain;
  check(gated.empty() || plain.empty(), ErrorKind::kData, "tensors ", escaped(gated), " and ",
        escaped(plain), ": gated and plain feed-forwards in one model");
  return gated.empty() && plain.empty() ? from_config : plain.empty();
}

// An untied model without a stored head is an error, except for T5: transformers 5 ties T5's head
// whatever config.json says. transformers 4.57 initializes a missing head randomly in either case.
void check_absent_head(const ModelConfig& config) {
  constexpr const char* kContradiction =
      "no tensor lm_head.weight, but config.json says tie_word_embeddings false";
  check(config.model_type == "t5", ErrorKind::kData, kContradiction);
  log_warning(std::string(kContradiction) + "; shared.weight is used");
}

// Returns true if encoder and decoder have separate embeddings, which transformers 5 writes for
// untied Switch models. In all other models, stored embeddings must be copies of the shared one.
bool decide_separate_embeddings(HfTensors& tensors, const FileConfig& file, const Found& shared) {
  const Found* encoder = tensors.use("encoder.embed_tokens.weight");
  const Found* decoder = tensors.use("decoder.embed_tokens.weight");
  const bool may_differ = file.model.model_type == "switch_transformers" &&
                          !file.model.tie_word_embeddings &&
                          file.separate_embeddings.value_or(true);
  if (may_differ) return encoder || decoder;
  for (const Found* copy : {encoder, decoder})
    if (copy && !tensors.source().same_values(copy->name, shared.name))
      fail(ErrorKind::kData, "tensor ", escaped(copy->name), " differs from ", escaped(shared.name),
           ", expected a copy of it");
  return false;
}

// A small file must not make us allocate the millions of experts its config.json claims.
void check_expert_count(const ModelConfig& c, const HfTensors& tensors) {
  const std::int64_t found = std::ssize(tensors.all());
  const std::int64_t of_experts = c.sparse_count() * c.num_experts * (c.is_gated_act ? 3 : 2);
  check(of_experts <= found, ErrorKind::kData, counted(found, "tensor"),
        ", but config.json's num_experts ", c.num_experts, " in ",
        counted(c.sparse_count(), "sparse layer"), " need ", of_experts);
}

}  // namespace

ModelConfig config_by_tensors(const FileConfig& file, HfTensors& tensors) {
  ModelConfig c = file.model;
  const StackTensors encoder = inspect_stack(tensors, c, "encoder", c.num_layers);
  const StackTensors decoder = inspect_stack(tensors, c, "decoder", c.num_decoder_layers);
  decide_placement(encoder, "encoder", file.encoder_layers_listed, c.encoder_sparse);
  decide_placement(decoder, "decoder", file.decoder_layers_listed, c.decoder_sparse);
  c.is_gated_act = decide_gated(encoder, decoder, c.is_gated_act);
  if (c.is_gated_act) c.dense_act_fn = file.gated_act_fn;

  const Found* shared = tensors.use_shared();
  check(shared != nullptr, ErrorKind::kData, "no tensor shared.weight");
  c.separate_embeddings = decide_separate_embeddings(tensors, file, *shared);
  const Found* head = tensors.use_head();
  if (!head && !file.model.tie_word_embeddings) check_absent_head(c);
  const bool head_is_copy = head && file.model.tie_word_embeddings &&
                            tensors.source().same_values(head->name, shared->name);
  c.tie_word_embeddings = !head || head_is_copy;
  validate(c);
  check_expert_count(c, tensors);
  return c;
}

}  // namespace switchyard
