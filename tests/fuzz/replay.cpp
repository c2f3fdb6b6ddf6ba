// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target on the files in the given directories, as an ordinary test without libFuzzer.
#include <cstdio>
#include <filesystem>

#include "src/core/file.h"
#include "tests/fuzz/target.h"

int main(int argc, char** argv) {
  int seeds = 0;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
      std::printf("%s\n", entry.path().c_str());
      std::fflush(stdout);  // so that the last line names the seed that crashes
      const std::string bytes = switchyard::read_file(entry.path());
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
      ++seeds;
    }
  }
  return seeds > 0 ? 0 : 1;
}
