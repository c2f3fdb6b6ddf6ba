// SPDX-License-Identifier: Apache-2.0
// The only error type. Bad input (a file, option, text or config) throws Error; only main() catches
// it.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace switchyard {

// The value is the program's exit code.
enum class ErrorKind { kRuntime = 1, kUsage = 2, kData = 3, kDiverged = 4 };

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message, int error_number = 0)
      : std::runtime_error(message), kind_(kind), error_number_(error_number) {}
  ErrorKind kind() const { return kind_; }
  // errno of the system call that failed; 0 if none did.
  int error_number() const { return error_number_; }

 private:
  ErrorKind kind_;
  int error_number_;
};

// Throws Error(kind) with the concatenated parts as its message. A message names the thing, what
// was found and what was expected.
template <class... Parts>
[[noreturn]] void fail(ErrorKind kind, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(kind, message.str());
}

template <class... Parts>
void check(bool ok, ErrorKind kind, const Parts&... parts) {
  if (!ok) fail(kind, parts...);
}

// Runs f and prefixes the message of any Error it throws with "context: ".
template <class F>
decltype(auto) with_context(std::string_view context, F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (const Error& e) {
    throw Error(e.kind(), std::string(context) + ": " + e.what(), e.error_number());
  }
}

// `text` truncated after `max_bytes`, with control characters and invalid UTF-8 shown as \xNN: safe
// to print even if it comes from a file.
std::string escaped(std::string_view text, std::size_t max_bytes = 200);

}  // namespace switchyard
