// SPDX-License-Identifier: Apache-2.0
#include "src/core/team.h"

#include <chrono>
#include <system_error>
#include <utility>

#include "src/core/counted.h"
#include "src/core/error.h"

namespace switchyard {

namespace {

// How long a thread spins before it sleeps. On a busy processor, a sleeping thread may wait several
// milliseconds for its next turn; spinning this long costs other work little.
constexpr std::chrono::microseconds kAwake{100};

// Waits until `value` is no longer `old`.
void wait_while(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  const auto end = std::chrono::steady_clock::now() + kAwake;
  while (value == old && std::chrono::steady_clock::now() < end) {
  }
  value.wait(old);
}

}  // namespace

Team::Team(int threads) {
  try {
    for (int i = 1; i < threads; ++i) threads_.emplace_back(&Team::work, this);
  } catch (const std::system_error& e) {
    join();
    fail(ErrorKind::kRuntime, "cannot start ", counted(threads - 1, "more thread"), ", only ",
         threads_.size(), ": ", e.code().message());
  }
}

Team::~Team() { join(); }

void Team::join() {
  ends_ = true;
  ++round_;
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Team::run(int count, const std::function<void(int)>& task) {
  errors_.assign(static_cast<std::size_t>(count), nullptr);
  task_ = &task;
  const auto tasks = static_cast<std::uint32_t>(count);
  unfinished_ = tasks;
  const std::uint32_t round = round_ + 1;
  left_ = std::uint64_t{round} << 32 | tasks;
  round_ = round;
  round_.notify_all();
  while (call_next(round)) {
  }
  for (std::uint32_t left = unfinished_; left > 0; left = unfinished_)
    wait_while(unfinished_, left);
  for (const std::exception_ptr& error : errors_)
    if (error) std::rethrow_exception(std::exception_ptr(error));
}

void Team::work() {
  for (std::uint32_t seen = 0;;) {
    wait_while(round_, seen);
    seen = round_;
    if (ends_) return;
    while (call_next(seen)) {
    }
  }
}

// Takes a task of the round and runs it. Returns false if none is left.
bool Team::call_next(std::uint32_t round) {
  std::uint64_t left = left_;
  std::uint32_t tasks = 0;
  do {
    tasks = static_cast<std::uint32_t>(left);
    if (left >> 32 != round || tasks == 0) return false;
  } while (!left_.compare_exchange_weak(left, left - 1));
  const std::size_t index = tasks - 1;
  try {
    (*task_)(static_cast<int>(index));
  } catch (...) {
    errors_[index] = std::current_exception();
  }
  if (--unfinished_ == 0) unfinished_.notify_one();
  return true;
}

}  // namespace switchyard
