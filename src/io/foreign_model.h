// SPDX-License-Identifier: Apache-2.0
// Explains why a directory cannot be loaded: it holds another program's model, or none.
#pragma once

#include <filesystem>
#include <string_view>

namespace switchyard {

// Throws Error(kData) naming the program whose model the directory holds and how to convert it, or
// saying that it holds none. `missing` is the file that was expected.
[[noreturn]] void fail_without_model(const std::filesystem::path& directory,
                                     std::string_view missing);

}  // namespace switchyard
