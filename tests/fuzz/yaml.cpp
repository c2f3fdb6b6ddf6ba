// SPDX-License-Identifier: Apache-2.0
// Reads the input as a preset or --config file that sets options of every kind.
#include <string>
#include <vector>

#include "tests/fuzz/target.h"
#include "tools/options.h"

using namespace switchyard;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bool flag = false;
  std::string text, choice;
  std::filesystem::path path;
  std::vector<std::filesystem::path> paths;
  std::vector<std::string> choices;
  std::vector<float> numbers;
  std::int64_t integer = 0, implied = 0;
  double number = 0;
  Options options({"fuzz", "", ""});
  options.group("All kinds");
  options.flag("flag,f", flag, "");
  options.flag_number("flag-number", implied, 1, 0, 10, "");
  options.text("text", text, "TEXT", "");
  options.path("path", path, "FILE", "");
  options.paths("paths", paths, "FILE...", "", {1, 2});
  options.choice("choice", choice, {"a", "b"}, "");
  options.choices("choices", choices, {"a", "b"}, "");
  options.number("integer", integer, -5, 1 << 20, "");
  options.number("number", number, 0, 1, "");
  options.numbers("numbers", numbers, 0, 1, "", {3, 4});
  options.alias("--other", "integer");
  read_or_reject(ErrorKind::kUsage, [&] {
    options.fill(std::string(reinterpret_cast<const char*>(data), size), "input");
    // What to_yaml() writes can be read back.
    options.fill(options.to_yaml(), "output");
  });
  return 0;
}
