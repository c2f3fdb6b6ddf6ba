// SPDX-License-Identifier: Apache-2.0
// Counts with a unit, as options spell them: "50Ku" is 50,000 updates.
#pragma once

#include <cstdint>
#include <string>

#include "src/app/training/options.h"

namespace switchyard {

// All of them throw Error(kUsage) that names `option`.

// "10e" (epochs), "50Ku" (updates), "1Gt" (target tokens), "60s", "30m" or "2h" of training, or
// several with commas, where the first limit that is reached counts.
StopRule parse_stop_rule(const std::string& option, const std::string& text);
// "100u", "100" or "1e"; 1 or more.
Frequency parse_frequency(const std::string& option, const std::string& text);
// "4000u" or "4000"; 0 or more.
std::int64_t parse_updates(const std::string& option, const std::string& text);

// A text that is parsed as the same value.
std::string spelled(const StopRule& rule);
std::string spelled(const Frequency& frequency);

}  // namespace switchyard
