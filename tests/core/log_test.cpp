// SPDX-License-Identifier: Apache-2.0
#include "src/core/log.h"

#include "src/core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

using namespace switchyard;

TEST_CASE("log: the file gets every line whole, verbose ones only on request") {
  const TempDirectory directory;
  set_tool_name("switch-test");
  set_log_level(LogLevel::kQuiet);
  open_log_file((directory / "log").string());
  log_info("one");
  log_verbose("not this");
  set_log_level(LogLevel::kVerbose);
  log_verbose("two");
  set_log_level(LogLevel::kQuiet);
  log_warning("three");
  log_error("four");
  const std::string text = read_text(directory / "log");
  open_log_file("/dev/null");
  set_log_level(LogLevel::kInfo);

  const std::string stamp = "[2026-11-22 10:02:11] ";
  const std::string problems = "switch-test: warning: three\nswitch-test: error: four\n";
  REQUIRE(text.size() == 2 * stamp.size() + std::string("one\ntwo\n").size() + problems.size());
  CHECK(text[0] == '[');
  CHECK(text.substr(stamp.size(), 5) == "one\n[");
  CHECK(text.find("two\n" + problems) != std::string::npos);
  CHECK_THROWS_AS(open_log_file((directory / "missing" / "log").string()), Error);
}
