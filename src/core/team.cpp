// SPDX-License-Identifier: Apache-2.0
#include "src/core/team.h"

#include <system_error>
#include <utility>

#include "src/core/error.h"

namespace switchyard {

Team::Team(int size) : errors_(static_cast<std::size_t>(size)) {
  try {
    for (int i = 1; i < size; ++i) threads_.emplace_back(&Team::work, this, i);
  } catch (const std::system_error& e) {
    join();
    fail(ErrorKind::kRuntime, "cannot start ", size - 1, " more threads, only ", threads_.size(),
         ": ", e.code().message());
  }
}

Team::~Team() { join(); }

void Team::join() {
  ends_ = true;
  ++round_;
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Team::run(const std::function<void(int)>& task) {
  task_ = &task;
  working_ = static_cast<std::uint32_t>(threads_.size());
  ++round_;
  round_.notify_all();
  call(0);
  for (std::uint32_t left = working_; left > 0; left = working_) working_.wait(left);
  for (std::exception_ptr& error : errors_) {
    if (!error) continue;
    const std::exception_ptr first = error;
    for (std::exception_ptr& each : errors_) each = nullptr;
    std::rethrow_exception(first);
  }
}

void Team::work(int index) {
  for (std::uint32_t seen = 0;;) {
    round_.wait(seen);
    seen = round_;
    if (ends_) return;
    call(index);
    if (--working_ == 0) working_.notify_one();
  }
}

void Team::call(int index) {
  try {
    (*task_)(index);
  } catch (...) {
    errors_[static_cast<std::size_t>(index)] = std::current_exception();
  }
}

}  // namespace switchyard
