// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace switchyard {

// Decodes Base64 (RFC 4648, section 4) with padding; nullopt if `text` is anything else.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace switchyard
