// SPDX-License-Identifier: Apache-2.0
// Reads the input as tokenizer.json: what is accepted can be used.
#include <string>

#include "src/text/tokenizer.h"
#include "tests/fuzz/target.h"

using namespace switchyard;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string text =
      "ab bbbbbbbbbb Zug \u3000 ½ \u00ad ﬁ e\u0301 </s> <extra_id_0> <x> 日本 \x01 \xff \u2581 A";
  read_or_reject(ErrorKind::kData, [&] {
    // A brace makes it a tokenizer.json.
    std::string bytes(reinterpret_cast<const char*>(data), size);
    if (!bytes.starts_with('{')) bytes.insert(0, 1, '{');
    const Tokenizer tokenizer = Tokenizer::from_bytes(std::move(bytes), "input");
    for (const Spelled spelled : {Spelled::kText, Spelled::kAll})
      tokenizer.decode(tokenizer.encode(text, nullptr, spelled), Special::kShow);
    tokenizer.unknown_parts(text);
  });
  return 0;
}
