// SPDX-License-Identifier: Apache-2.0
// Formats numbers for people.
#pragma once

#include <cstdint>
#include <string>

#include "src/core/counted.h"

namespace switchyard {

// "52.1%", of 0.521.
std::string percent(double share);
// "12.3M".
std::string millions(std::int64_t count);
// "1.5 GiB", "12 MiB".
std::string bytes_text(std::int64_t bytes);
// "00:41:10", of seconds.
std::string clock_text(double seconds);

}  // namespace switchyard
