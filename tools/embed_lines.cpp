// SPDX-License-Identifier: Apache-2.0
#include "tools/embed_lines.h"

#include <string>
#include <utility>
#include <vector>

#include "src/app/stop_signal.h"
#include "src/core/error.h"
#include "src/io/row_file.h"

namespace switchyard {

namespace {

// Of the lines in memory at a time.
constexpr std::size_t kReadAheadLines = 4096;
constexpr std::size_t kReadAheadBytes = std::size_t{8} << 20;

// Returns the next lines, none at the end.
std::vector<std::string> read_some(LineReader& reader) {
  std::vector<std::string> lines;
  std::size_t bytes = 0;
  for (std::string line;
       lines.size() < kReadAheadLines && bytes < kReadAheadBytes && reader.next(line);) {
    bytes += line.size();
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

void check_embedding_output(const EmbeddingOutput& output) {
  const bool mean = output.embedding == Embedding::kMean;
  const std::string extension = output.path.extension().string();
  if (extension == ".safetensors" || (mean && extension == ".npy")) return;
  fail(ErrorKind::kUsage, "--embed ", mean ? "mean" : "tokens", ": --output ",
       escaped(output.path.string()), ", expected a file named ", mean ? "*.npy or " : "",
       "*.safetensors");
}

bool embed_lines(LineReader& reader, TextEmbedder& embedder, const EmbeddingOutput& output) {
  const bool mean = output.embedding == Embedding::kMean;
  const RowFormat format =
      output.path.extension() == ".npy" ? RowFormat::kNpy : RowFormat::kSafetensors;
  RowFile file(output.path, format, mean ? "mean" : "states", output.d_model);
  std::vector<std::int64_t> offsets;
  if (!mean) offsets.push_back(0);
  const auto write = [&](std::span<const float> states) {
    if (mean) return file.append(mean_of_rows(states, output.d_model));
    file.append(states);
    offsets.push_back(offsets.back() + std::ssize(states) / output.d_model);
  };
  for (;;) {
    const std::vector<std::string> lines = read_some(reader);
    if (stop_signal() != 0) return false;
    if (lines.empty()) break;
    embedder.embed(lines, write);
  }
  file.finish(offsets);
  return true;
}

}  // namespace switchyard
