// SPDX-License-Identifier: Apache-2.0
#include "src/text/line_counts.h"

#include <cstddef>

#include "src/core/counted.h"
#include "src/core/error.h"

namespace switchyard {

namespace {

struct LineEnd {
  std::string_view bytes;
  const char* name;
};
// The characters other than \n at which Python's str.splitlines() ends a line.
constexpr LineEnd kOtherLineEnds[] = {
    {"\r", "a carriage return"}, {"\v", "a vertical tab"},   {"\f", "a form feed"},
    {"\x1c", "U+001C"},          {"\x1d", "U+001D"},         {"\x1e", "U+001E"},
    {"\xc2\x85", "U+0085"},      {"\xe2\x80\xa8", "U+2028"}, {"\xe2\x80\xa9", "U+2029"}};

// " (FILE:LINE has U+2028, ...)" for the first such line; empty if there is none.
std::string odd_line_end(std::string_view name, const std::vector<std::string>& lines) {
  for (std::size_t i = 0; i < lines.size(); ++i)
    for (const LineEnd& end : kOtherLineEnds)
      if (lines[i].find(end.bytes) != std::string::npos)
        return " (" + escaped(name) + ":" + std::to_string(i + 1) + " has " + end.name +
               ", which ends a line in some programs)";
  return {};
}

}  // namespace

void check_same_lines(std::string_view name_a, const std::vector<std::string>& a,
                      std::string_view name_b, const std::vector<std::string>& b) {
  if (a.size() == b.size()) return;
  // The text with fewer lines is the one that other programs would split further.
  const bool a_is_shorter = a.size() < b.size();
  std::string reason = a_is_shorter ? odd_line_end(name_a, a) : odd_line_end(name_b, b);
  if (reason.empty()) reason = a_is_shorter ? odd_line_end(name_b, b) : odd_line_end(name_a, a);
  fail(ErrorKind::kData, escaped(name_a), " has ", counted(std::ssize(a), "line"), ", ",
       escaped(name_b), " has ", counted(std::ssize(b), "line"), ", expected the same number",
       reason);
}

}  // namespace switchyard
