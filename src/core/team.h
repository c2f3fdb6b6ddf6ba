// SPDX-License-Identifier: Apache-2.0
// A team of threads that share a few long tasks and sleep in between. OpenMP's threads spin while
// they wait, which takes the processor from other work, even that of their own team; these threads
// soon go to sleep. Waking them takes tens of microseconds.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

namespace switchyard {

class Team {
 public:
  // Consists of the calling thread and threads - 1 new ones. Error(kRuntime) if one cannot be
  // started.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int threads() const { return static_cast<int>(threads_.size()) + 1; }

  // Calls task(i) once for every i in [0, count) and waits for all of them. Free threads, the
  // caller included, take the tasks one by one, so a thread that is kept from running by other
  // programs delays nothing unless it has taken a task. If tasks throw, the exception of the lowest
  // i is rethrown. Must not be called from within a task.
  void run(int count, const std::function<void(int)>& task);

 private:
  void work();
  bool call_next(std::uint32_t round);
  void join();

  const std::function<void(int)>* task_ = nullptr;
  // The round in the upper half, the number of its tasks not yet taken in the lower half, so that a
  // thread that wakes up late cannot take a task of another round.
  std::atomic<std::uint64_t> left_ = 0;
  std::atomic<std::uint32_t> round_ = 0;       // incremented when there are new tasks
  std::atomic<std::uint32_t> unfinished_ = 0;  // tasks of this round
  std::atomic<bool> ends_ = false;
  std::vector<std::exception_ptr> errors_;  // by task
  std::vector<std::thread> threads_;
};

}  // namespace switchyard
