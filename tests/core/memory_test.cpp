// SPDX-License-Identifier: Apache-2.0
#include "src/core/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "tests/support/catch.h"

namespace switchyard {
namespace {

constexpr std::int64_t kGiB = std::int64_t{1} << 30;

TEST_CASE("available memory is positive and at most the machine's") {
  const std::int64_t machine = std::int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  CHECK(available_memory_bytes() > 0);
  CHECK(available_memory_bytes() <= machine);
  CHECK(resident_bytes() > 0);
  CHECK(resident_bytes() < machine);
}

TEST_CASE("a limit on the address space counts") {
  rlimit old = {};
  REQUIRE(getrlimit(RLIMIT_AS, &old) == 0);
  std::int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const std::int64_t used = pages * sysconf(_SC_PAGESIZE);
  rlimit tight = old;
  tight.rlim_cur = static_cast<rlim_t>(used + kGiB / 2);
  if (setrlimit(RLIMIT_AS, &tight) == 0) {  // not under sanitizers, which reserve all of it
    CHECK(available_memory_bytes() <= kGiB / 2);
    REQUIRE(setrlimit(RLIMIT_AS, &old) == 0);
  }
}

}  // namespace
}  // namespace switchyard
