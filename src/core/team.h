// SPDX-License-Identifier: Apache-2.0
// A team of threads that do one thing together and then sleep. OpenMP's threads spin while they
// wait, which takes the processor from whoever else has work, their own team included; these give
// it up at once. For few, long tasks: starting one costs tens of microseconds.
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
  // The calling thread and size - 1 new ones. Error(kRuntime) if the system refuses one.
  explicit Team(int size);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return static_cast<int>(errors_.size()); }

  // Calls task(i) for every i in [0, size()), each on its own thread, 0 on the caller's, and waits
  // for all of them. If any throw, the exception of the lowest i is thrown here. Must not be called
  // from within a task.
  void run(const std::function<void(int)>& task);

 private:
  void work(int index);
  void call(int index);
  void join();

  const std::function<void(int)>* task_ = nullptr;
  std::atomic<std::uint32_t> round_ = 0;    // changes when there is a task
  std::atomic<std::uint32_t> working_ = 0;  // threads that have not finished it
  std::atomic<bool> ends_ = false;
  std::vector<std::exception_ptr> errors_;  // by thread
  std::vector<std::thread> threads_;
};

}  // namespace switchyard
