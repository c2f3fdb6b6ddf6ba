// SPDX-License-Identifier: Apache-2.0
// Recognizes file formats by their first bytes, for messages about unexpected files.
#pragma once

#include <string_view>

namespace switchyard {

// Names the format of a file that starts with these bytes: "gzip data", "an HTML page", "a Git LFS
// pointer ...". Empty if the format is unknown.
std::string_view recognised_content(std::string_view start);

// The same for formats that are not UTF-8 text; empty for those that are.
std::string_view recognised_binary(std::string_view start);

}  // namespace switchyard
