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
constexpr const char* kTrainAnew = "its models cannot be read; train one with switch-train";

struct Form {
  const char* file;  // a name, or "*" and how a name ends
  const char* made_by;
  const char* remedy;
};

// The first that fits is said: names before endings, since many programs write *.bin and *.pt.
constexpr Form kForms[] = {
    {"pytorch_model.bin", "PyTorch weights", kSavePretrained},
    {"pytorch_model.bin.index.json", "PyTorch weights in shards", kSavePretrained},
    {"tf_model.h5", "TensorFlow weights", kSavePretrained},
    {"flax_model.msgpack", "Flax weights", kSavePretrained},
    {"model.bin", "a CTranslate2 model", kTrainAnew},
    {"checkpoint", "a T5X or TensorFlow checkpoint", "convert it with transformers' scripts"},
    {"*.npz", "a Marian model", kTrainAnew},
    {"*.gguf", "a llama.cpp model", kTrainAnew},
    {"*.onnx", "an ONNX model", kTrainAnew},
    {"*.pt", "a PyTorch checkpoint (fairseq, OpenNMT-py, JoeyNMT)", kTrainAnew},
};

bool fits(const std::string& name, std::string_view pattern) {
  if (pattern.front() != '*') return name == pattern;
  return name.size() > pattern.size() - 1 && name.ends_with(pattern.substr(1));
}

}  // namespace

void fail_without_model(const fs::path& folder, std::string_view missing) {
  const std::string name = escaped(folder.native());
  std::set<std::string> files;  // in order, for the same message everywhere
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    files.insert(it->path().filename().string());
  for (const Form& form : kForms)
    for (const std::string& file : files)
      if (fits(file, form.file))
        fail(ErrorKind::kData, name, ": no ", missing, ", but ", form.made_by, " (", escaped(file),
             "); expected a folder in Hugging Face's form: ", form.remedy);
  fail(ErrorKind::kData, name, ": no ", missing,
       ", expected a model's folder: config.json, model.safetensors and spiece.model");
}

}  // namespace switchyard
