// SPDX-License-Identifier: Apache-2.0
// Numbers as spelled in options: strict, locale-independent, exact in both directions.
#pragma once

#include <string>
#include <string_view>

namespace switchyard {

// Parses `text`: decimal digits only for an integer; a real number may have a fraction and an
// exponent, and must be finite. Anything else, or a value outside [min, max], throws Error(kUsage)
// naming option `name`. T: int, std::int64_t, std::uint64_t, float, double.
template <class T>
T parse_number(std::string_view name, std::string_view text, T min, T max);
// The shortest text that parse_number parses as the same value.
template <class T>
std::string number_text(T value);

}  // namespace switchyard
