// SPDX-License-Identifier: Apache-2.0
#include "src/io/foreign_model.h"

#include <set>
#include <string>
#include <system_error>

#include "src/core/error.h"

namespace switchyard {

namespace {

namespace fs = std::filesystem;

constexpr const char* kSavePretrained =
    "load it in transformers and call save_pretrained(), which writes model.safetensors";
constexpr const char* kTrainNew = "its models cannot be read; train one with switch-train";

struct Form {
  const char* file;  // a file name, or "*" followed by a suffix
  const char* contents;
  const char* remedy;
};

// The first match is reported. Full names come before suffixes that several programs use.
constexpr Form kForms[] = {
    {"tf_model.h5", "TensorFlow weights", kSavePretrained},
    {"flax_model.msgpack", "Flax weights", kSavePretrained},
    {"model.bin", "a CTranslate2 model", kTrainNew},
    {"checkpoint", "a T5X or TensorFlow checkpoint",
     "convert a T5X checkpoint with switch-convert"},
    {"*.npz", "a Marian model", kTrainNew},
    {"*.gguf", "a llama.cpp model", kTrainNew},
    {"*.onnx", "an ONNX model", kTrainNew},
    {"*.pt", "a PyTorch checkpoint (fairseq, OpenNMT-py, JoeyNMT)", kTrainNew},
};

bool matches(const std::string& name, std::string_view pattern) {
  if (pattern.front() != '*') return name == pattern;
  return name.size() > pattern.size() - 1 && name.ends_with(pattern.substr(1));
}

}  // namespace

void fail_without_model(const fs::path& directory, std::string_view missing) {
  const std::string name = escaped(directory.native());
  std::set<std::string> files;  // sorted, so that the message does not depend on the file system
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error))
    files.insert(it->path().filename().string());
  for (const Form& form : kForms)
    for (const std::string& file : files)
      if (matches(file, form.file))
        fail(ErrorKind::kData, name, ": no ", missing, ", but ", form.contents, " (", escaped(file),
             "); expected a directory in Hugging Face's format: ", form.remedy);
  fail(ErrorKind::kData, name, ": no ", missing,
       ", expected a model directory: config.json, model.safetensors and spiece.model");
}

}  // namespace switchyard
