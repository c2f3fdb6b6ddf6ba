// SPDX-License-Identifier: Apache-2.0
#include "src/decode/thread_choice.h"

#include "tests/support/catch.h"

using namespace switchyard;

namespace {

// Takes `steps` steps and returns how many of them had 2 threads.
int steps_with_two(ThreadChoice& choice, int steps, double one_takes, double two_take) {
  int count = 0;
  for (int i = 0; i < steps; ++i) {
    const bool two = choice.threads() == 2;
    count += two;
    choice.step_took(two ? two_take : one_takes);
  }
  return count;
}

}  // namespace

TEST_CASE("steps get the number of threads that is measured to be faster") {
  ThreadChoice choice(1, 2);
  CHECK(choice.threads() == 1);
  CHECK(steps_with_two(choice, 16, 1.0, 0.6) == 8);  // a trial
  CHECK(steps_with_two(choice, 200, 1.0, 0.6) == 200);

  ThreadChoice other(1, 2);
  steps_with_two(other, 16, 1.0, 1.1);
  CHECK(steps_with_two(other, 200, 1.0, 1.1) == 0);
  // Tries again, but rarely, and notices that two have become faster.
  CHECK(steps_with_two(other, 10000, 1.0, 1.1) < 100);
  CHECK(steps_with_two(other, 40000, 1.0, 0.6) > 20000);
}

TEST_CASE("a busy machine ends a trial of more threads, and their use, within a few steps") {
  ThreadChoice choice(1, 2);
  CHECK(steps_with_two(choice, 200, 1.0, 70.0) == 1);
  CHECK(steps_with_two(choice, 10000, 1.0, 70.0) < 8);

  ThreadChoice used(1, 2);
  steps_with_two(used, 100, 1.0, 0.6);
  CHECK(steps_with_two(used, 1, 1.0, 70.0) == 1);  // a single slow step changes nothing
  CHECK(steps_with_two(used, 100, 1.0, 0.6) == 100);
  CHECK(steps_with_two(used, 200, 1.0, 70.0) == 2);
}
