// SPDX-License-Identifier: Apache-2.0
// What a file holds, judged by its first bytes, for messages about a file that is not what was
// expected.
#pragma once

#include <string_view>

namespace switchyard {

// "a Git LFS pointer ...", "gzip data", "an HTML page"; empty if `start` is none of the formats
// known here.
std::string_view recognised_content(std::string_view start);

// The same, but only for formats that are not UTF-8 text.
std::string_view recognised_binary(std::string_view start);

}  // namespace switchyard
