// SPDX-License-Identifier: Apache-2.0
// The instruction set that kernels run on: the machine's best, capped by the environment variable
// that caps oneDNN, so that one variable caps the whole program.
#pragma once

#include <string>

namespace switchyard::simd {

// Reads ONEDNN_MAX_CPU_ISA, else DNNL_MAX_CPU_ISA (oneDNN's names: SSE41, AVX, AVX2, AVX2_VNNI,
// AVX512_CORE, ..., ALL or DEFAULT; an unknown name caps nothing, as in oneDNN) and disables the
// targets above it. There are no AVX kernels, so AVX means SSE4. Runs before main() in every
// program that has kernels; calling it again is harmless.
void apply_isa_cap();

// The target that kernels run on now: "SSE4", "AVX2", "AVX-512", ...
std::string target_name();

namespace internal {
// Every source with kernels includes this, so the cap is in force before any kernel can be called.
// It must be: the layout of packed weights depends on the target.
inline const bool cap_is_applied = (apply_isa_cap(), true);
}  // namespace internal

}  // namespace switchyard::simd
