// SPDX-License-Identifier: Apache-2.0
// The number of threads a tool may use.
#pragma once

namespace switchyard {

// Returns `threads` or, with a warning, the smaller number that OpenMP grants. Unbinds the calling
// thread (unbind_thread()). Error(kRuntime) as check_threads().
int usable_threads(int threads);

}  // namespace switchyard
