// SPDX-License-Identifier: Apache-2.0
// Counts with a unit, as spelled in options: "50Ku" is 50,000 updates.
#pragma once

#include <cstdint>
#include <string>

#include "src/app/training/options.h"

namespace switchyard {

// All parsers throw Error(kUsage) naming `option`.

// "10e" (epochs), "50Ku" (updates), "1Gt" (target tokens), "60s", "30m" or "2h" of training, or
// several separated by commas, of which the first one reached applies.
StopRule parse_stop_rule(const std::string& option, const std::string& text);
// "100u", "100" or "1e"; 1 or more.
Frequency parse_frequency(const std::string& option, const std::string& text);
// "4000u" or "4000"; 0 or more.
std::int64_t parse_updates(const std::string& option, const std::string& text);

// Returns a text that parses to the same value.
std::string spelled(const StopRule& rule);
std::string spelled(const Frequency& frequency);

}  // namespace switchyard
