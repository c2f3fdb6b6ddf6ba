// SPDX-License-Identifier: Apache-2.0
#include "simd/targets.h"

#include <cstdlib>
#include <string>

#include "tests/support/catch.h"

namespace switchyard::simd {
namespace {

// Each cap allows no more than the one before it, so the machine's target only gets worse.
TEST_CASE("oneDNN's cap also caps the kernels") {
  for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
    const char* before = std::getenv(name);
    const std::string restore = before ? before : "";
    unsetenv("ONEDNN_MAX_CPU_ISA");
    for (const char* cap : {"ALL", "no such set", "AVX512_CORE", "avx2", "AVX"}) {
      setenv(name, cap, 1);
      apply_isa_cap();
      const std::string target = target_name();
      CAPTURE(name, cap, target);
#if defined(__x86_64__)
      const bool sse =
          target == "SSE4" || target == "SSSE3" || target == "SSE2" || target == "portable";
      if (std::string(cap) == "AVX") CHECK(sse);
      if (std::string(cap) == "avx2") CHECK((sse || target == "AVX2"));
      if (std::string(cap) == "AVX512_CORE")
        CHECK((sse || target == "AVX2" || target == "AVX-512"));
#else
      CHECK(!target.empty());
#endif
    }
    if (before)
      setenv(name, restore.c_str(), 1);
    else
      unsetenv(name);
  }
}

}  // namespace
}  // namespace switchyard::simd
