// SPDX-License-Identifier: Apache-2.0
#include "src/core/parallel.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <mutex>
#include <set>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "src/core/cgroup.h"
#include "src/core/counted.h"
#include "src/core/error.h"

namespace switchyard {

namespace {

bool openmp_binds() { return omp_get_proc_bind() != omp_proc_bind_false; }

// The CPUs that the process was started on. If OpenMP binds threads, the initial thread's mask
// covers only its own place, but the places together cover all CPUs.
cpu_set_t process_cpus() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  for (int place = 0; openmp_binds() && place < omp_get_num_places(); ++place) {
    std::vector<int> ids(static_cast<std::size_t>(omp_get_place_num_procs(place)));
    omp_get_place_proc_ids(place, ids.data());
    for (const int id : ids) CPU_SET(static_cast<std::size_t>(id), &cpus);
  }
  if (CPU_COUNT(&cpus) == 0) sched_getaffinity(0, sizeof(cpus), &cpus);
  return cpus;
}

// The number of cores behind these CPUs, counting a core's hardware threads once.
int physical_cores() {
  const cpu_set_t mask = process_cpus();
  std::set<std::pair<int, int>> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &mask)) continue;
    const std::string topology = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    int package = 0, core = cpu;  // without topology files every CPU counts as a core
    std::ifstream(topology + "physical_package_id") >> package;
    std::ifstream core_file(topology + "core_id");
    int id = 0;
    if (core_file >> id) core = id;
    cores.insert({package, core});
  }
  return std::max(1, static_cast<int>(cores.size()));
}

}  // namespace

void check_threads(int threads) {
  std::mutex held;
  std::unique_lock lock(held);
  std::vector<std::thread> started;
  started.reserve(static_cast<std::size_t>(threads));
  std::string problem;
  try {
    // Each blocks, so that all exist at the same time.
    while (started.size() < static_cast<std::size_t>(threads))
      started.emplace_back([&held] { const std::scoped_lock wait(held); });
  } catch (const std::system_error& e) {
    problem = e.code().message();
  }
  lock.unlock();
  for (std::thread& thread : started) thread.join();
  check(problem.empty(), ErrorKind::kRuntime, "cannot start ", counted(threads, "more thread"),
        ", only ", started.size(), ": ", problem);
}

int openmp_team(int threads) {
  omp_set_dynamic(0);
  int granted = 1;
#pragma omp parallel num_threads(threads)
#pragma omp single
  granted = omp_get_num_threads();
  return granted;
}

void unbind_thread() {
  if (!openmp_binds()) return;
  const cpu_set_t cpus = process_cpus();
  sched_setaffinity(0, sizeof(cpus), &cpus);
}

int default_threads() {
  const double cpus = std::min<double>(physical_cores(), std::ceil(cgroup_cpus()));
  return std::max(1, static_cast<int>(cpus));
}

}  // namespace switchyard
