// SPDX-License-Identifier: Apache-2.0
#include "src/core/error.h"

#include "src/core/system_call.h"
#include "tests/support/catch.h"

using namespace switchyard;

TEST_CASE("error: the message joins its parts, the context comes first, the kind stays") {
  try {
    with_context("FILE", [] { fail(ErrorKind::kData, "found ", 3, ", expected ", 4.5); });
    CHECK(false);
  } catch (const Error& e) {
    CHECK(std::string(e.what()) == "FILE: found 3, expected 4.5");
    CHECK(e.kind() == ErrorKind::kData);
  }
  CHECK(with_context("FILE", [] { return 7; }) == 7);
}

TEST_CASE("error: the number of a failed system call stays") {
  try {
    with_context("saving", [] { fail_errno("FILE", "cannot write", ENOSPC); });
    CHECK(false);
  } catch (const Error& e) {
    CHECK(std::string(e.what()) == "saving: FILE: cannot write: No space left on device");
    CHECK(e.kind() == ErrorKind::kRuntime);
    CHECK(e.error_number() == ENOSPC);
  }
  CHECK(Error(ErrorKind::kData, "no call failed").error_number() == 0);
}

TEST_CASE("error: names from files are escaped") {
  CHECK(escaped("plain text, \"quotes\"") == "plain text, \"quotes\"");
  CHECK(escaped("Stra\xC3\x9F"
                "e \xE6\x97\xA5 \xF0\x9F\x98\x80") ==
        "Stra\xC3\x9F"
        "e \xE6\x97\xA5 \xF0\x9F\x98\x80");
  CHECK(escaped(std::string_view("a\nb\t\x1B[31m\x7F\0", 10)) == "a\\x0Ab\\x09\\x1B[31m\\x7F");
  CHECK(escaped(std::string_view("\0", 1)) == "\\x00");
  CHECK(escaped("\xC2\x9B") == "\\xC2\\x9B");           // a C1 control
  CHECK(escaped("\xC0\xAF") == "\\xC0\\xAF");           // overlong
  CHECK(escaped("\xE0\x80\x80") == "\\xE0\\x80\\x80");  // overlong
  CHECK(escaped("\xED\xA0\x80") == "\\xED\\xA0\\x80");  // a surrogate
  CHECK(escaped("\xF4\x90\x80\x80") == "\\xF4\\x90\\x80\\x80");
  CHECK(escaped("x\xE6\x97") == "x\\xE6\\x97");  // cut
  CHECK(escaped(std::string(300, 'x')) == std::string(200, 'x') + "...");
}
