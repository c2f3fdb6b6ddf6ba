// SPDX-License-Identifier: Apache-2.0
// Which instruction set the kernels run on: the best one that the machine has, capped by the
// environment variable that caps oneDNN, so that one variable caps the whole program.
#pragma once

#include <string>

namespace switchyard::simd {

// Reads ONEDNN_MAX_CPU_ISA, else DNNL_MAX_CPU_ISA (oneDNN's names: SSE41, AVX, AVX2, AVX2_VNNI,
// AVX512_CORE, ..., ALL or DEFAULT; an unknown one caps nothing, as in oneDNN) and disables the
// targets above it. AVX has no kernels of its own and means SSE4. Every file with kernels has this
// run before main(); calling it again is harmless.
void apply_isa_cap();

// The target that kernels run on now: "SSE4", "AVX2", "AVX-512", ...
std::string target_name();

namespace internal {
// Every file with kernels includes this (common-inl.h), so the cap is in force whichever kernel is
// called first. It has to be: the layout of packed weights differs between targets.
inline const bool cap_is_applied = (apply_isa_cap(), true);
}  // namespace internal

}  // namespace switchyard::simd
