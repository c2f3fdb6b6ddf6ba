// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace switchyard {

// The project's version, as in meson.build: "0.1.0".
std::string_view version();

}  // namespace switchyard
