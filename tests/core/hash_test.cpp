// SPDX-License-Identifier: Apache-2.0
#include "src/core/hash.h"

#include <string_view>

#include "tests/support/catch.h"

using namespace switchyard;

TEST_CASE("xxh64 has the values of other implementations, however it is fed") {
  const auto hash = [](std::string_view text) {
    Xxh64 by_bytes;
    for (const char& c : text) by_bytes.add(std::as_bytes(std::span(&c, 1)));
    CHECK(by_bytes.value() == xxh64(std::as_bytes(std::span(text))));
    return by_bytes.value();
  };
  CHECK(hash("") == 0xEF46DB3751D8E999u);
  CHECK(hash("a") == 0xD24EC4F1A98C6E5Bu);
  CHECK(hash("abc") == 0x44BC2CF5AD770999u);
  CHECK(hash("Nobody inspects the spammish repetition") == 0xFBCEA83C8A378BF1u);
}

TEST_CASE("xxh64 notices two changed signs") {
  const double values[] = {1, 2, 3, 4, 5, 6, 7, 8}, negated[] = {1, -2, 3, 4, 5, -6, 7, 8};
  CHECK(xxh64(std::as_bytes(std::span(values))) != xxh64(std::as_bytes(std::span(negated))));
}
