// SPDX-License-Identifier: Apache-2.0
// Numbers as options spell them: strict, without a locale, exact in both directions.
#pragma once

#include <string>
#include <string_view>

namespace switchyard {

// The number `text` spells: decimal digits alone for an integer; a fraction and an exponent are
// allowed for a real number, which must be finite. Anything else, or a value outside [min, max], is
// Error(kUsage) that names option `name`. T: int, std::int64_t, std::uint64_t, float, double.
template <class T>
T parse_number(std::string_view name, std::string_view text, T min, T max);
// The shortest text that parse_number reads as the same value.
template <class T>
std::string number_text(T value);

}  // namespace switchyard
