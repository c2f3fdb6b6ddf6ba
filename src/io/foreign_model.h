// SPDX-License-Identifier: Apache-2.0
// Folders that hold a model, but not in Hugging Face's form: what they hold, and what to do.
#pragma once

#include <filesystem>
#include <string_view>

namespace switchyard {

// Error(kData) that says which program's model the folder holds and how to get the form that is
// read, or that it holds none. `missing` is what was looked for.
[[noreturn]] void fail_without_model(const std::filesystem::path& folder, std::string_view missing);

}  // namespace switchyard
