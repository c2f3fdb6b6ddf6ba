// SPDX-License-Identifier: Apache-2.0
#include "src/core/team.h"

#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.h"

namespace switchyard {
namespace {

TEST_CASE("each task of a team runs once, on its own thread, round after round") {
  for (const int size : {1, 2, 5}) {
    CAPTURE(size);
    Team team(size);
    CHECK(team.size() == size);
    std::vector<int> calls(static_cast<std::size_t>(size), 0);
    std::vector<std::thread::id> threads(calls.size());
    for (int round = 1; round <= 200; ++round) {
      team.run([&](int i) {
        ++calls[static_cast<std::size_t>(i)];
        threads[static_cast<std::size_t>(i)] = std::this_thread::get_id();
      });
      REQUIRE(calls == std::vector<int>(calls.size(), round));
    }
    CHECK(threads[0] == std::this_thread::get_id());
    CHECK(std::set<std::thread::id>(threads.begin(), threads.end()).size() == calls.size());
  }
}

TEST_CASE("the first thread's exception is thrown, after all have finished") {
  Team team(4);
  std::vector<int> done(4, 0);
  std::string message;
  try {
    team.run([&](int i) {
      done[static_cast<std::size_t>(i)] = 1;
      if (i == 3 || i == 1) throw std::runtime_error("thread " + std::to_string(i));
    });
  } catch (const std::runtime_error& e) {
    message = e.what();
  }
  CHECK(message == "thread 1");
  CHECK(done == std::vector<int>(4, 1));
  CHECK_NOTHROW(team.run([](int) {}));
}

}  // namespace
}  // namespace switchyard
