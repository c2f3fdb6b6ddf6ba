// SPDX-License-Identifier: Apache-2.0
// Dispatches kernel calls. A kernel's source is compiled once for each instruction set; its header
// declares a constant pointer to a function that chooses among the versions, defined by two lines:
//   HWY_EXPORT(add);
//   decltype(add) add = dispatch<HWY_DISPATCH_TABLE(add)>;
// SetSupportedTargetsForTest() applies to every call: the pointer never changes, its target does.
#pragma once

#include <cstddef>
#include <iterator>

#include "hwy/targets.h"
#include "simd/targets.h"

namespace switchyard::simd {

// Calls the version for this machine. `table` is defined by HWY_EXPORT: a function for each
// instruction set, or a single one if only one is compiled.
template <const auto& table, class R, class... Args>
R dispatch(Args... args) {
  const std::size_t index = std::size(table) == 1 ? 0 : hwy::GetChosenTarget().GetIndex();
  return table[index](args...);
}

}  // namespace switchyard::simd
