// SPDX-License-Identifier: Apache-2.0
#include "src/core/counted.h"

#include "tests/support/catch.h"

using namespace switchyard;

TEST_CASE("counts agree with their nouns") {
  CHECK(counted(0, "line") == "0 lines");
  CHECK(counted(1, "line") == "1 line");
  CHECK(counted(2, "line") == "2 lines");
  CHECK(counted(19200, "line") == "19,200 lines");
  CHECK(counted(1, "batch", "batches") == "1 batch");
  CHECK(counted(3, "batch", "batches") == "3 batches");
}

TEST_CASE("counts have commas between thousands") {
  CHECK(with_commas(0) == "0");
  CHECK(with_commas(999) == "999");
  CHECK(with_commas(1000) == "1,000");
  CHECK(with_commas(1234567) == "1,234,567");
}
