// SPDX-License-Identifier: Apache-2.0
// Reads the settings in a gin file, T5X's language for configuring Python programs: bindings like
// dense.MlpBlock.activations = ('gelu', 'linear') and macros like NUM_HEADS = 12. Includes are not
// followed, and references to functions are not values.
// Grammar: google/gin-config, gin/config_parser.py.
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard {

struct GinBinding {
  std::string scope;  // "expert" in expert/dense.MlpBlock.activations
  std::string name;   // "dense.MlpBlock.activations"; of a macro "NUM_HEADS"
  std::string value;  // its text, without comments and line breaks
  std::size_t line = 0;
};

class GinFile {
 public:
  // Error(kRuntime) if the file cannot be read, Error(kData) as FILE:LINE: ... if it is malformed.
  explicit GinFile(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  const std::vector<GinBinding>& bindings() const { return bindings_; }
  const std::vector<std::string>& includes() const { return includes_; }

  // The value of a macro ("NUM_HEADS"), or that bound to CLASS.PARAMETER ("MlpBlock.activations")
  // of whatever module; of several bindings in a scope, the last. Macros are replaced by their
  // values; tuples become arrays and None becomes null. Empty if there is no binding, or the value
  // is not a literal. Error(kData) naming both lines if two scopes give it different values.
  std::optional<nlohmann::json> find(std::string_view name) const;

 private:
  std::optional<nlohmann::json> literal(std::string_view text, int depth, int& budget) const;
  const GinBinding* macro(std::string_view name) const;

  std::filesystem::path path_;
  std::vector<GinBinding> bindings_;
  std::vector<std::string> includes_;
};

}  // namespace switchyard
