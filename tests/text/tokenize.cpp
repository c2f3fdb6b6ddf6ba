// SPDX-License-Identifier: Apache-2.0
// tokenize DIRECTORY text|sentinels|all: prints the ids of each line of standard input, then the
// text they decode to, without and with special tokens, separated by U+001F.
#include <iostream>
#include <string>

#include "src/text/tokenizer.h"

using namespace switchyard;

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const std::string mode = argv[2];
  const Spelled spelled = mode == "all"         ? Spelled::kAll
                          : mode == "sentinels" ? Spelled::kSentinels
                                                : Spelled::kText;
  try {
    const Tokenizer tokenizer = Tokenizer::load_directory(argv[1]);
    for (std::string line; std::getline(std::cin, line);) {
      const Ids ids = tokenizer.encode(line, nullptr, spelled);
      for (const auto id : ids) std::cout << id << ' ';
      std::cout << '\x1f' << tokenizer.decode(ids) << '\x1f'
                << tokenizer.decode(ids, Special::kShow) << '\n';
    }
  } catch (const std::exception& e) {
    std::cerr << "tokenize: " << e.what() << '\n';
    return 1;
  }
}
