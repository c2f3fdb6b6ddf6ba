// SPDX-License-Identifier: Apache-2.0
#include "src/app/stop_signal.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <initializer_list>

namespace switchyard {

namespace {

constexpr std::int64_t kSameNanoseconds = 1'000'000'000;

// Lock-free, so that a signal handler may use them on any thread.
std::atomic<bool> deferred{false};
std::atomic<int> came{0};
std::atomic<std::int64_t> came_at{0};  // nanoseconds; 0: not yet
static_assert(std::atomic<std::int64_t>::is_always_lock_free);

std::int64_t now() {
  timespec t = {};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

void on_signal(int signal) {
  if (!deferred) _exit(128 + signal);
  std::int64_t first = 0;
  if (came_at.compare_exchange_strong(first, now()))
    came = signal;
  else if (now() - first >= kSameNanoseconds)
    _exit(128 + signal);
}

}  // namespace

void on_stop_signals(void (*handler)(int)) {
  struct sigaction action = {}, old = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGHUP, SIGINT, SIGTERM})
    if (sigaction(signal, nullptr, &old) == 0 && old.sa_handler != SIG_IGN)
      sigaction(signal, &action, nullptr);
}

void catch_stop_signals() { on_stop_signals(on_signal); }

void defer_stop_signals() { deferred = true; }

int stop_signal() { return came; }

}  // namespace switchyard
