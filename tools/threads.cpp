// SPDX-License-Identifier: Apache-2.0
#include "tools/threads.h"

#include <cstdlib>
#include <string>

#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/core/log.h"
#include "src/core/parallel.h"

namespace switchyard {

int usable_threads(int threads) {
  unbind_thread();
  with_context("--threads", [&] { check_threads(threads - 1); });
  const int granted = openmp_team(threads);
  if (granted == threads) return threads;
  std::string causes;
  for (const char* name : {"OMP_THREAD_LIMIT", "OMP_MAX_ACTIVE_LEVELS"})
    if (const char* value = std::getenv(name))
      causes += (causes.empty() ? "" : ", ") + std::string(name) + "=" + escaped(value);
  log_warning("OpenMP grants " + counted(granted, "thread") + " instead of " +
              std::to_string(threads) + (causes.empty() ? "" : " (" + causes + ")"));
  return granted;
}

}  // namespace switchyard
