// SPDX-License-Identifier: Apache-2.0
#include "src/io/hf.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/core/counted.h"
#include "src/core/durable_file.h"
#include "src/core/error.h"
#include "src/core/log.h"
#include "src/io/foreign_model.h"
#include "src/io/weight_files.h"

namespace switchyard {

namespace {

// The tensors of a folder by their canonical name, and which of them have been asked for.
class Tensors {
 public:
  struct Found {
    std::string name;  // in the file
    const StoredTensor* tensor;
    bool used = false;
  };

  explicit Tensors(const TensorSource& source) : source_(source) {
    // Files of the bare model have this before every name.
    constexpr std::string_view kPrefix = "switch_transformers.";
    for (const auto& [name, tensor] : source.tensors()) {
      const bool prefixed = name.compare(0, kPrefix.size(), kPrefix) == 0;
      const std::string canonical = prefixed ? name.substr(kPrefix.size()) : name;
      if (!found_.emplace(canonical, Found{name, &tensor}).second)
        fail(ErrorKind::kData, "tensor ", escaped(canonical), " twice, with and without ", kPrefix);
    }
  }

  // The tensor of this name, if any; it is no longer one that nobody needs.
  const Found* use(const std::string& name) {
    const auto it = found_.find(name);
    if (it == found_.end()) return nullptr;
    it->second.used = true;
    return &it->second;
  }
  const std::map<std::string, Found>& all() const { return found_; }
  const TensorSource& source() const { return source_; }

 private:
  const TensorSource& source_;
  std::map<std::string, Found> found_;
};

using Found = Tensors::Found;

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

// Takes a number and the dot behind it from the start of `text`; -1 where there is none.
std::int64_t take_index(std::string_view& text) {
  std::int64_t index = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (error != std::errc{} || end == text.data() + text.size() || *end != '.' || index < 0)
    return -1;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return index;
}

// What the names of the tensors say of one stack.
struct StackTensors {
  std::vector<bool> dense, sparse;   // by block: it has such a feed-forward
  std::vector<std::string> example;  // by block: a tensor of its feed-forward
  std::string gated, plain;          // a tensor that shows this form; empty: none does
};

StackTensors inspect_stack(const Tensors& tensors, const ModelConfig& config,
                           const std::string& stack, std::int64_t layers) {
  StackTensors s;
  s.dense.resize(static_cast<std::size_t>(layers));
  s.sparse.resize(static_cast<std::size_t>(layers));
  s.example.resize(static_cast<std::size_t>(layers));
  const std::string prefix = stack + ".block.";
  const std::string ffn = stack == "encoder" ? "layer.1." : "layer.2.";
  const std::string mlp = ffn + (config.model_type == "t5" ? "DenseReluDense." : "mlp.");
  for (const auto& [name, found] : tensors.all()) {
    if (!starts_with(name, prefix)) continue;
    std::string_view rest = std::string_view(name).substr(prefix.size());
    const std::int64_t block = take_index(rest);
    if (block < 0) continue;
    if (block >= layers)
      fail(ErrorKind::kData, "tensor ", escaped(name), ": block ", block, " of the ", stack,
           ", but config.json says ", counted(layers, "layer"));
    if (config.model_type == "t5" && starts_with(rest, ffn + "mlp.router."))
      fail(ErrorKind::kData, "tensor ", escaped(name),
           ": a router, but config.json says model_type \"t5\", which has none");
    if (!starts_with(rest, mlp)) continue;
    rest.remove_prefix(mlp.size());
    const auto i = static_cast<std::size_t>(block);
    s.example[i] = found.name;
    if (starts_with(rest, "router.") || starts_with(rest, "experts.")) {
      s.sparse[i] = true;
      if (starts_with(rest, "router.classifier.bias") && !config.router_bias)
        fail(ErrorKind::kData, "tensor ", escaped(name),
             " is there, but config.json says router_bias false");
    } else {
      s.dense[i] = true;
    }
    if (starts_with(rest, "experts.expert_")) {
      rest.remove_prefix(std::string_view("experts.expert_").size());
      const std::int64_t expert = take_index(rest);
      if (expert >= config.num_experts)
        fail(ErrorKind::kData, "tensor ", escaped(name), ": expert ", expert,
             ", but config.json says num_experts ", config.num_experts);
    }
    if (starts_with(rest, "wi_")) s.gated = name;
    if (starts_with(rest, "wi.")) s.plain = name;
    if (s.dense[i] && s.sparse[i])
      fail(ErrorKind::kData, "tensor ", escaped(name), ": block ", block, " of the ", stack,
           " has both a dense feed-forward and experts");
  }
  return s;
}

// Which blocks are sparse: the tensors decide, the config's count must be the same. A block that
// has no feed-forward at all is what the config says it is; its tensors will then be missed.
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

// Whether the tensors show gated feed-forwards; one form for the whole model.
bool decide_gated(const StackTensors& encoder, const StackTensors& decoder, bool from_config) {
  const std::string& gated = encoder.gated.empty() ? decoder.gated : encoder.gated;
  const std::string& plain = encoder.plain.empty() ? decoder.plain : encoder.plain;
  check(gated.empty() || plain.empty(), ErrorKind::kData, "tensors ", escaped(gated), " and ",
        escaped(plain), ": gated and plain feed-forwards in one model");
  return gated.empty() && plain.empty() ? from_config : plain.empty();
}

const Found* find_shared(Tensors& tensors) {
  for (const char* name :
       {"shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight"})
    if (const Found* found = tensors.use(name)) return found;
  return nullptr;
}

const Found* find_head(Tensors& tensors) {
  const Found* found = tensors.use("lm_head.weight");
  return found ? found : tensors.use("decoder.lm_head.weight");
}

// An untied model without a head of its own is an error, except for T5, whose head transformers 5
// ties whatever config.json says; 4.57 initializes either at random.
void check_absent_head(const ModelConfig& config) {
  constexpr const char* kContradiction =
      "no tensor lm_head.weight, but config.json says tie_word_embeddings false";
  check(config.model_type == "t5", ErrorKind::kData, kContradiction);
  log_warning(std::string(kContradiction) + "; shared.weight is used");
}

// Embeddings of the two stacks: copies of the shared one, or, in an untied Switch model, parameters
// of their own, which is how Hugging Face 5 writes it.
bool decide_separate_embeddings(Tensors& tensors, const FileConfig& file, const Found& shared) {
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

// A small file must not make us lay out the millions of experts that its config.json may ask for.
void check_expert_count(const ModelConfig& c, const Tensors& tensors) {
  const std::int64_t found = std::ssize(tensors.all());
  const std::int64_t of_experts = c.sparse_count() * c.num_experts * (c.is_gated_act ? 3 : 2);
  check(of_experts <= found, ErrorKind::kData, counted(found, "tensor"),
        ", but config.json's num_experts ", c.num_experts, " in ",
        counted(c.sparse_count(), "sparse layer"), " need ", of_experts);
}

// The config as the tensors have it.
ModelConfig decide_config(const FileConfig& file, Tensors& tensors) {
  ModelConfig c = file.model;
  const StackTensors encoder = inspect_stack(tensors, c, "encoder", c.num_layers);
  const StackTensors decoder = inspect_stack(tensors, c, "decoder", c.num_decoder_layers);
  decide_placement(encoder, "encoder", file.encoder_layers_listed, c.encoder_sparse);
  decide_placement(decoder, "decoder", file.decoder_layers_listed, c.decoder_sparse);
  c.is_gated_act = decide_gated(encoder, decoder, c.is_gated_act);
  if (c.is_gated_act) c.dense_act_fn = file.gated_act_fn;

  const Found* shared = find_shared(tensors);
  check(shared != nullptr, ErrorKind::kData, "no tensor shared.weight");
  c.separate_embeddings = decide_separate_embeddings(tensors, file, *shared);
  const Found* head = find_head(tensors);
  if (!head && !file.model.tie_word_embeddings) check_absent_head(c);
  const bool head_is_copy = head && file.model.tie_word_embeddings &&
                            tensors.source().same_values(head->name, shared->name);
  c.tie_word_embeddings = !head || head_is_copy;
  validate(c);
  check_expert_count(c, tensors);
  return c;
}

// Where each parameter of the model lies, by Param::index. Every tensor is of the right shape;
// those that nothing needs are named in a warning.
std::vector<Found> locate(const Model& model, Tensors& tensors) {
  const std::string& model_type = model.config().model_type;
  std::vector<Found> places;
  std::string first_missing;
  std::int64_t missing = 0;
  model.each_param([&](const Param& param) {
    const Found* found = tensors.use(file_name_of(param.name, model_type));
    if (!found && param.name == "lm_head.weight") found = find_head(tensors);
    const bool embedding = param.name.find("embed_tokens") != std::string::npos;
    if (!found && (param.name == "shared.weight" || embedding)) found = find_shared(tensors);
    if (!found) {
      if (missing++ == 0) first_missing = file_name_of(param.name, model_type);
      return;
    }
    const std::vector<std::int64_t> expected = stored_shape(param);
    if (found->tensor->shape != expected)
      fail(ErrorKind::kData, "tensor ", escaped(found->name), ": shape ",
           shape_text(found->tensor->shape), ", expected ", shape_text(expected),
           " by config.json");
    places.push_back(*found);
  });
  check(missing == 0, ErrorKind::kData, missing, missing == 1 ? " tensor is" : " tensors are",
        " missing, the first is ", first_missing);

  // Old T5 files have it; nothing ever read it.
  tensors.use("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight");
  std::string first_extra;
  std::int64_t extra = 0;
  for (const auto& [name, found] : tensors.all())
    if (!found.used && extra++ == 0) first_extra = found.name;
  if (extra > 0)
    log_warning(std::to_string(extra) + (extra == 1 ? " tensor is" : " tensors are") +
                " not used, the first is " + escaped(first_extra));
  return places;
}

std::vector<float>::const_iterator first_nonfinite(const std::vector<float>& values) {
  return std::find_if(values.begin(), values.end(), [](float x) { return !std::isfinite(x); });
}

// A model folder with everything checked but the values.
struct ModelFolder {
  explicit ModelFolder(const fs::path& folder);

  ModelConfig config;
  GenerationConfig generation;
  std::unique_ptr<TensorSource> weights;
  std::unique_ptr<Model> model;
  std::vector<Found> places;
};

ModelFolder::ModelFolder(const fs::path& folder) {
  const std::string name = escaped(folder.native());
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  check(fs::exists(status), ErrorKind::kRuntime, name, ": no such folder");
  check(fs::is_directory(status), ErrorKind::kRuntime, name,
        ": not a folder, expected one with config.json and model.safetensors");
  const fs::file_status config_status = fs::symlink_status(folder / "config.json", error);
  if (config_status.type() == fs::file_type::not_found) fail_without_model(folder, "config.json");
  FileConfig file = read_config(folder / "config.json");
  const fs::path generation_path = folder / "generation_config.json";
  generation = read_generation_config(generation_path, file.model);
  // Hugging Face takes them only where there is no generation_config.json.
  if (!file.generation_settings.empty() && !fs::exists(fs::symlink_status(generation_path, error)))
    log_warning(
        escaped((folder / "config.json").native()) +
        ": generation settings are read from generation_config.json only; without effect: " +
        file.generation_settings);
  weights = open_weights(folder);
  with_context(escaped(weights->path().native()), [&] {
    Tensors tensors(*weights);
    config = decide_config(file, tensors);
    model = std::make_unique<Model>(config);
    places = locate(*model, tensors);
  });
}

}  // namespace

std::vector<std::int64_t> stored_shape(const Param& param) {
  if (param.vector) return {param.cols};
  return {param.rows, param.cols};
}

LoadedModel load_model(Context& ctx, const fs::path& folder, bool allow_nonfinite) {
  ModelFolder source(folder);
  LoadedModel loaded;
  loaded.values = std::make_unique<ParamBuffer>(ctx, source.model->layout());
  loaded.generation = source.generation;
  std::vector<float> host;
  source.model->each_param([&](const Param& param) {
    const Found& place = source.places[static_cast<std::size_t>(param.index)];
    host.resize(static_cast<std::size_t>(param.size()));
    source.weights->read_f32(place.name, host);
    const auto bad = first_nonfinite(host);
    if (bad != host.end() && !allow_nonfinite)
      fail(ErrorKind::kData, escaped(source.weights->file_of(place.name).native()), ": tensor ",
           escaped(place.name), ": ", *bad, " at element ", bad - host.begin(),
           ", expected finite numbers");
    upload(ctx, host.data(), param.size(), (*loaded.values)[param]);
  });
  loaded.model = std::move(source.model);
  loaded.model->bind(*loaded.values);
  return loaded;
}

TensorToWrite tensor_to_write(Context& ctx, std::string name, std::vector<std::int64_t> shape,
                              View values, std::vector<float>& host) {
  return {name, std::move(shape), [&ctx, &host, values, name] {
            host.resize(static_cast<std::size_t>(values.size()));
            download(ctx, values, host.data(), values.size());
            const auto bad = first_nonfinite(host);
            if (bad != host.end())
              fail(ErrorKind::kDiverged, "tensor ", escaped(name), ": ", *bad, " at element ",
                   bad - host.begin(), "; only finite numbers are saved");
            return std::span<const float>(host);
          }};
}

void save_model(Context& ctx, const fs::path& folder, const Model& model, const ParamBuffer& values,
                const GenerationConfig& generation) {
  const ModelConfig& config = model.config();
  const std::string model_type = written_model_type(config);
  std::vector<float> host;
  std::vector<TensorToWrite> tensors;
  const auto add = [&](const std::string& name, const Param& param) {
    tensors.push_back(tensor_to_write(ctx, name, stored_shape(param), values[param], host));
  };
  model.each_param([&](const Param& param) { add(file_name_of(param.name, model_type), param); });
  // An untied Switch model of Hugging Face 5 has every table for itself.
  if (model_type == "switch_transformers" && !config.scale_decoder_outputs) {
    if (config.tie_word_embeddings) add("lm_head.weight", model.shared);
    if (!config.separate_embeddings)
      for (const char* name : {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"})
        add(name, model.shared);
  }
  write_safetensors(folder / "model.safetensors", std::move(tensors));
  write_file_durably(folder / "config.json", config_text(config));
  write_file_durably(folder / "generation_config.json", generation_config_text(config, generation));
}

}  // namespace switchyard
