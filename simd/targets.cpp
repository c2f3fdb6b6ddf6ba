// SPDX-License-Identifier: Apache-2.0
#include "simd/targets.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/targets.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd::HWY_NAMESPACE {

const char* target_name() { return hwy::TargetName(HWY_TARGET); }

}  // namespace switchyard::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {
namespace {

HWY_EXPORT(target_name);

// The targets that a cap (oneDNN's name) forbids. On x86, better targets have lower bits.
[[maybe_unused]] std::int64_t forbidden_targets(const std::string& isa) {
  if (isa == "SSE41" || isa == "AVX") return HWY_SSE4 - 1;
  if (isa == "AVX2" || isa == "AVX2_VNNI" || isa == "AVX2_VNNI_2") return HWY_AVX2 - 1;
  // Highway's next targets, AVX3_DL and AVX3_ZEN4, need more than any of these provide.
  if (isa == "AVX512_CORE" || isa == "AVX512_CORE_VNNI" || isa == "AVX512_CORE_BF16")
    return HWY_AVX3 - 1;
  return 0;
}

// The cap, in upper case; empty if there is none.
[[maybe_unused]] std::string isa_cap() {
  const char* cap = std::getenv("ONEDNN_MAX_CPU_ISA");
  if (!cap) cap = std::getenv("DNNL_MAX_CPU_ISA");
  std::string isa(cap ? cap : "");
  std::transform(isa.begin(), isa.end(), isa.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return isa;
}

#if HWY_ARCH_X86_64
bool cpu_has_amx_int8() {
  constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25;  // CPUID.(7, 0):EDX
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & kTile) && (d & kInt8);
}

// Linux saves the tiles only of processes that have asked for it, once.
bool may_use_amx() {
#if defined(__linux__)
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // asm/prctl.h, asm/fpu/types.h
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}
#endif

}  // namespace

void apply_isa_cap() {
#if HWY_ARCH_X86
  if (const std::int64_t forbidden = forbidden_targets(isa_cap())) hwy::DisableTargets(forbidden);
#endif
}

#if HWY_ARCH_X86_64
bool has_avx_vnni() {
  static const bool has = __builtin_cpu_supports("avxvnni") && isa_cap() != "AVX2" &&
                          forbidden_targets(isa_cap()) < HWY_AVX2;
  return has;
}

bool has_avx512_vnni() {
  static const bool has = __builtin_cpu_supports("avx512vnni") && isa_cap() != "AVX512_CORE" &&
                          forbidden_targets(isa_cap()) < HWY_AVX3;
  return has;
}

bool has_avx512_bf16() {
  static const bool has =
      __builtin_cpu_supports("avx512bf16") && has_avx512_vnni() && isa_cap() != "AVX512_CORE_VNNI";
  return has;
}

bool has_amx_int8() {
  static const bool has = has_avx512_bf16() && isa_cap() != "AVX512_CORE_BF16" &&
                          isa_cap() != "AVX512_CORE_FP16" && cpu_has_amx_int8() && may_use_amx();
  return has;
}
#else
bool has_avx_vnni() { return false; }
bool has_avx512_vnni() { return false; }
bool has_avx512_bf16() { return false; }
bool has_amx_int8() { return false; }
#endif

// Asks a kernel, not hwy::SupportedTargets(): in Highway 1.0.3 and 1.2, calling that function makes
// later dispatches ignore DisableTargets().
std::string target_name() {
  // Highway's names and their usual equivalents.
  constexpr const char* kNames[][2] = {{"AVX3", "AVX-512"},
                                       {"AVX3_DL", "AVX-512 (Ice Lake)"},
                                       {"AVX3_ZEN4", "AVX-512 (Zen 4)"},
                                       {"AVX3_SPR", "AVX-512 (Sapphire Rapids)"},
                                       {"EMU128", "portable"},
                                       {"SCALAR", "portable"}};
  const std::string found = HWY_DYNAMIC_DISPATCH(target_name)();
  for (const auto& [name, known_as] : kNames)
    if (found == name) return known_as;
  return found;
}

}  // namespace switchyard::simd
#endif
