// SPDX-License-Identifier: Apache-2.0
#include "tools/number.h"

#include <charconv>
#include <cstdint>
#include <limits>
#include <system_error>
#include <type_traits>

#include "src/core/error.h"

namespace switchyard {

template <class T>
std::string number_text(T value) {
  char text[64];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  return std::string(text, end);
}

template <class T>
T parse_number(std::string_view name, std::string_view text, T min, T max) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size() && !text.empty();
  // False for NaN.
  if (whole && value >= min && value <= max) return value;
  const bool open = max == std::numeric_limits<T>::max();
  fail(ErrorKind::kUsage, "--", name, ": found '", escaped(text), "', expected ",
       std::is_integral_v<T> ? "an integer" : "a number",
       open ? " of at least " + number_text(min)
            : " from " + number_text(min) + " to " + number_text(max));
}

template int parse_number(std::string_view, std::string_view, int, int);
template std::int64_t parse_number(std::string_view, std::string_view, std::int64_t, std::int64_t);
template std::uint64_t parse_number(std::string_view, std::string_view, std::uint64_t,
                                    std::uint64_t);
template float parse_number(std::string_view, std::string_view, float, float);
template double parse_number(std::string_view, std::string_view, double, double);
template std::string number_text(int);
template std::string number_text(std::int64_t);
template std::string number_text(std::uint64_t);
template std::string number_text(float);
template std::string number_text(double);

}  // namespace switchyard
