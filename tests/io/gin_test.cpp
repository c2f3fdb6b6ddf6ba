// SPDX-License-Identifier: Apache-2.0
#include "src/io/gin.h"

#include "src/core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

using namespace switchyard;
using nlohmann::json;

namespace {

GinFile read(const std::string& text) {
  const TempDirectory directory;
  write_text(directory / "config.gin", text);
  return GinFile(directory / "config.gin");
}

std::string error_of(const std::string& text) {
  try {
    read(text);
    return "";
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kData);
    const std::string what = e.what();
    return what.substr(what.find("config.gin") + 10);
  }
}

}  // namespace

TEST_CASE("gin: bindings, blocks and macros") {
  const GinFile gin = read(R"(# A comment.
from __gin__ import dynamic_registration
import seqio
include 'a/base.gin'

HEADS = 4  # another
ALSO = %HEADS
RATE = 1e-1
NAME = "a # b"
LONG = \
    ('gelu',
     'linear')  # inside
x.Y.count = %ALSO
x.Z:
  size = -3
  names = ['a', "b",]
  # a comment in a block
  nested = ((1, 2), ())

  call = @x.f()
scope/inner/x.Z.size = -3
NONE = None
FLAG = True
)");
  CHECK(gin.includes() == std::vector<std::string>{"a/base.gin"});
  CHECK(gin.find("HEADS") == json(4));
  CHECK(gin.find("Y.count") == json(4));
  CHECK(gin.find("x.Y.count") == json(4));
  CHECK(gin.find("RATE") == json(0.1));
  CHECK(gin.find("NAME") == json("a # b"));
  CHECK(gin.find("LONG") == json({"gelu", "linear"}));
  CHECK(gin.find("Z.size") == json(-3));
  CHECK(gin.find("Z.names") == json({"a", "b"}));
  CHECK(gin.find("Z.nested") == json::parse("[[1, 2], []]"));
  CHECK(gin.find("NONE") == json(nullptr));
  CHECK(gin.find("FLAG") == json(true));
  CHECK(!gin.find("Z.call"));
  CHECK(!gin.find("size"));
  CHECK(!gin.find("ount"));
  CHECK(gin.bindings().back().line == 23);
}

TEST_CASE("gin: the last binding counts, and scopes must agree") {
  CHECK(read("A = 1\nA = 2\n").find("A") == json(2));
  CHECK(read("m.C.x = 1\nC.x = 2\n").find("C.x") == json(2));
  CHECK(read("C.x = 1\ns/C.x = %gin.REQUIRED\n").find("C.x") == json(1));
  const GinFile two = read("C.x = 1\n\ns/C.x = 2\n");
  CHECK_THROWS_AS(two.find("C.x"), Error);
  // A macro that refers to itself has no value.
  CHECK(!read("A = %B\nB = %A\n").find("A"));
}

TEST_CASE("gin: errors name the line") {
  CHECK(error_of("A = 1\nB\n") == ":2: B, expected NAME = VALUE");
  CHECK(error_of("A =\n") == ":1: A =, expected NAME = VALUE");
  CHECK(error_of("A B = 1\n") == ":1: A B = 1, expected NAME = VALUE");
  CHECK(error_of("A = (1,\n2\n") == ":1: a bracket is not closed");
  CHECK(error_of("\nA = 1)\n") == ":2: a bracket that was not opened");
  CHECK(error_of("A = (1]\n") == ":1: a bracket that was not opened");
  CHECK(error_of("A = 'x\n") == ":1: a string is not closed");
  CHECK(error_of("A = '''x\n\n") == ":1: a string is not closed");
  CHECK(error_of("A = 'x\\") == ":1: a string is not closed");
  CHECK(error_of(std::string("A\0 = 1", 6)) == ": binary data, expected a gin file");
  CHECK(error_of("<html>") == ": an HTML page, expected a gin file");
}
