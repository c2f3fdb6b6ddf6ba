// SPDX-License-Identifier: Apache-2.0
#include "src/app/model_info.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <string_view>
#include <vector>

#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/core/file.h"
#include "src/io/hf_tensors.h"

namespace switchyard {

namespace {

// "encoder 1 3 5 of 6 layers"
std::string sparse_text(const char* stack, const std::vector<bool>& sparse) {
  std::string text = stack;
  for (std::size_t i = 0; i < sparse.size(); ++i)
    if (sparse[i]) text.append(" ").append(std::to_string(i));
  if (std::count(sparse.begin(), sparse.end(), true) == 0) text += " none";
  return text + " of " + counted(std::ssize(sparse), "layer");
}

std::string head_text(const ModelConfig& c) {
  return std::string(c.tie_word_embeddings ? "tied" : "its own weights") +
         (c.scale_decoder_outputs ? ", scaled" : ", not scaled") +
         (c.separate_embeddings ? "; encoder and decoder have separate embeddings" : "");
}

}  // namespace

std::string model_info(const ModelFiles& files) {
  const ModelConfig& c = files.model->config();
  std::ostringstream text;
  text << "model       " << c.model_type << ", " << c.num_layers << " + " << c.num_decoder_layers
       << " layers, d_model " << c.d_model << ", d_ff " << c.d_ff << ", " << c.num_heads
       << " heads of " << c.d_kv << ", vocabulary " << with_commas(c.vocab_size) << "\n"
       << "sparse      " << sparse_text("encoder", c.encoder_sparse) << "; "
       << sparse_text("decoder", c.decoder_sparse);
  if (c.sparse_count() > 0) text << "; " << counted(c.num_experts, "expert");
  text << "\nactivation  " << (c.is_gated_act ? "gated " : "") << activation_name(c.dense_act_fn)
       << "\nhead        " << head_text(c) << "\n"
       << "parameters  " << with_commas(parameter_count(c)) << " in all, "
       << with_commas(active_parameter_count(c)) << " active per token\n";
  std::map<std::string_view, std::int64_t> dtypes;
  for (const auto& [name, tensor] : files.source->tensors()) ++dtypes[tensor.dtype];
  text << "tensors     ";
  for (const char* separator = ""; const auto& [dtype, count] : dtypes) {
    text << separator << with_commas(count) << " of " << dtype;
    separator = ", ";
  }
  text << "\n";
  for (const fs::path& path : files.source->files())
    text << "file        " << escaped(path.filename().native()) << ", "
         << counted(static_cast<std::int64_t>(InputFile(path).size_bytes()), "byte") << "\n";
  return text.str();
}

}  // namespace switchyard
