// SPDX-License-Identifier: Apache-2.0
// How many threads a tool may use.
#pragma once

namespace switchyard {

// Returns `threads`; fewer, with a warning, if OpenMP grants fewer. Unbinds the calling thread, as
// unbind_thread(). Error(kRuntime) as check_threads.
int usable_threads(int threads);

}  // namespace switchyard
