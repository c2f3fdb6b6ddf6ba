// SPDX-License-Identifier: Apache-2.0
// Reads the input as spiece.model: SentencePiece can load and use every model that passes our
// check.
#include "src/text/tokenizer.h"

#include <string>

#include "tests/fuzz/target.h"

using namespace switchyard;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string text =
      "ab bbbbbbbbbb Zug \u3000 ½ \u00ad ﬁ e\u0301 </s> <0x41> 日本 \x01 \xff \u2581\u2047 A";
  read_or_reject(ErrorKind::kData, [&] {
    const Tokenizer tokenizer =
        Tokenizer::from_bytes(std::string(reinterpret_cast<const char*>(data), size), "input");
    tokenizer.decode(tokenizer.encode(text));
  });
  return 0;
}
