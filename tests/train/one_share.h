// SPDX-License-Identifier: Apache-2.0
// All parameters of a tiny model as one share of an optimizer's.
#pragma once

#include "src/train/optimizer.h"
#include "tests/support/tiny_model.h"

namespace switchyard {

inline OptimizerParams one_share(const TinyModel& tiny) {
  const auto params = static_cast<std::int64_t>(tiny.model.layout().offset.size());
  return {tiny.model, tiny.values, tiny.grads, {{0, params}}};
}

}  // namespace switchyard
