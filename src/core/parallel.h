// SPDX-License-Identifier: Apache-2.0
// Parallel loops. OpenMP is used only here and in backend/cpu, where profiles call for it.
#pragma once

#include <algorithm>
#include <cstdint>

namespace switchyard {

// Calls f(first, last) on pieces of [begin, end) of length `grain` (the last may be shorter), on at
// most `threads` threads. The pieces do not depend on the number of threads. f must not throw.
template <class F>
void parallel_for(int threads, std::int64_t begin, std::int64_t end, std::int64_t grain, F&& f) {
  const std::int64_t pieces = (end - begin + grain - 1) / grain;
  if (pieces <= 0) return;
  if (threads <= 1 || pieces == 1) {
    for (std::int64_t p = 0; p < pieces; ++p)
      f(begin + p * grain, std::min(end, begin + (p + 1) * grain));
    return;
  }
  // Always use the whole team, however few the pieces: libgomp terminates the threads that a
  // smaller team does not need and restarts them later.
#pragma omp parallel for schedule(static) num_threads(threads)
  for (std::int64_t p = 0; p < pieces; ++p)
    f(begin + p * grain, std::min(end, begin + (p + 1) * grain));
}

// Like parallel_for with a grain of 1, for pieces of different cost: a thread takes the next piece
// when it is free. The results are the same as long as the pieces are independent.
template <class F>
void parallel_tasks(int threads, std::int64_t count, F&& f) {
  if (threads <= 1 || count <= 1) {
    for (std::int64_t i = 0; i < count; ++i) f(i);
    return;
  }
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (std::int64_t i = 0; i < count; ++i) f(i);
}

// The number of physical cores that the affinity mask and the cgroup's CPU quota allow, at least 1.
// If OpenMP binds threads (OMP_PROC_BIND, OMP_PLACES, GOMP_CPU_AFFINITY), the mask is that of all
// its places.
int default_threads();

// If OpenMP has bound this thread to one place, lets it run on all places. Threads that it starts
// inherit its mask and would otherwise all share that place.
void unbind_thread();

// Returns the size of the team that OpenMP grants this thread when it requests `threads`: fewer
// under OMP_THREAD_LIMIT or OMP_MAX_ACTIVE_LEVELS, 1 inside a parallel region. Switches dynamic
// teams (OMP_DYNAMIC) off for this thread. oneDNN 2.6 and 3.7 must not request more: they split a
// matmul among the threads they request, leave the missing threads' parts unwritten, and report
// success.
int openmp_team(int threads);

// Error(kRuntime) if the system does not grant this many threads in addition to this one; OpenMP
// and other libraries would terminate the process instead.
void check_threads(int threads);

}  // namespace switchyard
