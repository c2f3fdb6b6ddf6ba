// SPDX-License-Identifier: Apache-2.0
// The number of threads a tool may use.
#pragma once

namespace switchyard {

// Returns `threads`, or fewer, with a warning, if OpenMP grants fewer. Unbinds the calling thread
// (unbind_thread()). Error(kRuntime) as check_threads().
int usable_threads(int threads);

}  // namespace switchyard
