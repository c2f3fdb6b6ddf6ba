// SPDX-License-Identifier: Apache-2.0
// Prefetch: a thread produces items ahead of their use, at most `depth` of them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace switchyard {

template <class Item>
class Prefetch {
 public:
  // `make` runs on that thread only and returns nullopt at the end. An exception it throws reaches
  // the consumer after the items made before it.
  Prefetch(std::function<std::optional<Item>()> make, std::size_t depth)
      : make_(std::move(make)), depth_(depth), thread_([this] { run(); }) {}

  // Waits for the item being made and drops those in the queue.
  ~Prefetch() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    room_.notify_one();
    thread_.join();
  }
  Prefetch(const Prefetch&) = delete;
  Prefetch& operator=(const Prefetch&) = delete;

  // The next item; nullopt after the last. Only one thread may call this.
  std::optional<Item> next() {
    std::unique_lock lock(mutex_);
    filled_.wait(lock, [this] { return !queue_.empty() || done_; });
    if (queue_.empty()) {
      if (error_) std::rethrow_exception(error_);
      return std::nullopt;
    }
    std::optional<Item> item(std::move(queue_.front()));
    queue_.pop_front();
    room_.notify_one();
    return item;
  }

 private:
  void run() {
    std::exception_ptr error;
    try {
      while (std::optional<Item> item = make_()) {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [this] { return queue_.size() < depth_ || stop_; });
        if (stop_) return;
        queue_.push_back(std::move(*item));
        filled_.notify_one();
      }
    } catch (...) {
      error = std::current_exception();
    }
    std::lock_guard lock(mutex_);
    error_ = error;
    done_ = true;
    filled_.notify_one();
  }

  std::function<std::optional<Item>()> make_;
  std::size_t depth_;
  std::mutex mutex_;
  std::condition_variable filled_, room_;
  std::deque<Item> queue_;
  std::exception_ptr error_;
  bool done_ = false;
  bool stop_ = false;
  std::thread thread_;  // last: starts once the other members exist
};

}  // namespace switchyard
