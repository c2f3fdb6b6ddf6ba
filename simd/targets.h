// SPDX-License-Identifier: Apache-2.0
// The instruction set that kernels use: the machine's best, capped by oneDNN's environment
// variable, so that one variable caps the whole program.
#pragma once

#include <string>

namespace switchyard::simd {

// Reads ONEDNN_MAX_CPU_ISA, else DNNL_MAX_CPU_ISA (oneDNN's names: SSE41, AVX, AVX2, AVX2_VNNI,
// AVX512_CORE, ..., ALL or DEFAULT; an unknown name caps nothing, as in oneDNN) and disables the
// targets above it. There are no AVX kernels, so AVX means SSE4. Runs before main() in every
// program that has kernels; further calls are harmless.
void apply_isa_cap();

// The target that kernels currently use: "SSE4", "AVX2", "AVX-512", ...
std::string target_name();

// Return true if the machine, as capped, has AVX_VNNI, AVX512_VNNI, AVX512_BF16, or AMX for int8,
// which Linux must permit. Kernels must ask: the AVX2 and AVX3 targets do not imply them.
bool has_avx_vnni();
bool has_avx512_vnni();
bool has_avx512_bf16();
bool has_amx_int8();

namespace internal {
// Every source file with kernels includes this header, so the cap is in force before any kernel can
// be called. It must be, because the layout of packed weights depends on the target.
inline const bool cap_is_applied = (apply_isa_cap(), true);
}  // namespace internal

}  // namespace switchyard::simd
