// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/freeze.h"

#include <fnmatch.h>

#include <algorithm>

#include "src/core/error.h"
#include "src/io/hf_config.h"
#include "src/io/hf_tensors.h"

namespace switchyard {

std::vector<bool> frozen_params(const Model& model, const std::vector<std::string>& patterns) {
  if (patterns.empty()) return {};
  const std::string model_type = written_model_type(model.config());
  std::vector<std::string> names;
  model.each_param(
      [&](const Param& param) { names.push_back(file_name_of(param.name, model_type)); });
  std::vector<bool> frozen(names.size());
  for (const std::string& pattern : patterns) {
    bool found = false;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (fnmatch(pattern.c_str(), names[i].c_str(), 0) != 0) continue;
      frozen[i] = found = true;
    }
    check(found, ErrorKind::kUsage, "--freeze: ", escaped(pattern),
          " matches no tensor, expected the pattern of a name like ", names.back());
  }
  check(std::find(frozen.begin(), frozen.end(), false) != frozen.end(), ErrorKind::kUsage,
        "--freeze: matches all ", names.size(), " tensors, expected one to train");
  return frozen;
}

}  // namespace switchyard
