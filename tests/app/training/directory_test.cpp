// SPDX-License-Identifier: Apache-2.0
// Which checkpoints of a run are kept.
#include "src/app/training/directory.h"

#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

namespace switchyard {
namespace {

using Updates = std::vector<std::int64_t>;

TEST_CASE("the best checkpoint is kept, the one linked as the best, and the newest") {
  const TempDirectory temporary;
  TrainingDirectory directory(temporary.path() / "run", false);
  const auto left_of_six = [&](std::int64_t best, std::int64_t linked, std::int64_t keep_last) {
    for (std::int64_t update = 1; update <= 6; ++update)
      std::filesystem::create_directories(directory.checkpoint(update));
    directory.link("best", linked);
    directory.prune(6, best, keep_last);
    return directory.checkpoints();
  };
  CHECK(left_of_six(3, 3, 1) == Updates{3, 6});
  CHECK(left_of_six(3, 3, 2) == Updates{3, 5, 6});
  CHECK(left_of_six(6, 6, 1) == Updates{6});
  CHECK(left_of_six(-1, 6, 3) == Updates{4, 5, 6});  // nothing has been validated
  // The better model of update 4 could not be exported: users still see that of update 2.
  CHECK(left_of_six(4, 2, 1) == Updates{2, 4, 6});
  CHECK(left_of_six(5, 2, 2) == Updates{2, 5, 6});
}

TEST_CASE("checkpoints later than the run's are kept for replacement and do not count") {
  const TempDirectory temporary;
  TrainingDirectory directory(temporary.path() / "run", false);
  for (std::int64_t update = 1; update <= 6; ++update)
    std::filesystem::create_directories(directory.checkpoint(update));
  directory.prune(4, 1, 2);
  CHECK(directory.checkpoints() == Updates{1, 3, 4, 5, 6});
}

}  // namespace
}  // namespace switchyard
