// SPDX-License-Identifier: Apache-2.0
#include "src/core/team.h"

#include <atomic>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.h"

namespace switchyard {
namespace {

TEST_CASE("a team runs each task once per round") {
  for (const int size : {1, 2, 5}) {
    CAPTURE(size);
    Team team(size);
    for (int round = 1; round <= 2000; ++round) {
      std::vector<int> calls(static_cast<std::size_t>(round % 7), 0);
      team.run(round % 7, [&](int i) { ++calls[static_cast<std::size_t>(i)]; });
      REQUIRE(calls == std::vector<int>(calls.size(), 1));
    }
  }
}

TEST_CASE("tasks run at the same time") {
  Team team(3);
  std::atomic<int> there{0};
  std::set<std::thread::id> threads;
  std::mutex mutex;
  team.run(3, [&](int) {
    ++there;
    while (there < 3) std::this_thread::yield();
    const std::scoped_lock lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  CHECK(threads.size() == 3);
}

TEST_CASE("the first task's exception is thrown after all have finished") {
  Team team(4);
  std::vector<int> done(4, 0);
  std::string message;
  try {
    team.run(4, [&](int i) {
      done[static_cast<std::size_t>(i)] = 1;
      if (i == 3 || i == 1) throw std::runtime_error("task " + std::to_string(i));
    });
  } catch (const std::runtime_error& e) {
    message = e.what();
  }
  CHECK(message == "task 1");
  CHECK(done == std::vector<int>(4, 1));
  CHECK_NOTHROW(team.run(2, [](int) {}));
}

}  // namespace
}  // namespace switchyard
