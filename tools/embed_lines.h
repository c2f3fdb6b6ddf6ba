// SPDX-License-Identifier: Apache-2.0
// switch-translate --embed: the encoder's states of every input line in a file, in place of a
// translation.
#pragma once

#include <cstdint>
#include <filesystem>

#include "src/app/text_embedder.h"
#include "src/text/line_reader.h"

namespace switchyard {

// The mean over a line's tokens, or the state of each token.
enum class Embedding { kMean, kTokens };

struct EmbeddingOutput {
  std::filesystem::path path;  // .npy or .safetensors
  Embedding embedding = Embedding::kMean;
  std::int64_t d_model = 0;
};

// Error(kUsage) unless the path's extension is that of a format which can hold the embedding: .npy
// for means only, .safetensors.
void check_embedding_output(const EmbeddingOutput& output);

// Reads all lines and writes the file. Means are a tensor `mean` [lines, d_model], states of tokens
// a tensor `states` [tokens, d_model] with `offsets` [lines + 1]: line i has the rows from
// offsets[i] to offsets[i + 1]. Memory does not grow with the number of lines, except that offsets
// take 8 bytes per line. Returns false, without a file, if a recorded signal (stop_signal()) ends
// it.
bool embed_lines(LineReader& reader, TextEmbedder& embedder, const EmbeddingOutput& output);

}  // namespace switchyard
