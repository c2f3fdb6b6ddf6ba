// SPDX-License-Identifier: Apache-2.0
#include "src/train/clip.h"

namespace switchyard {

float squared_norm(Context& ctx, View flat) {
  ArenaScope scope(ctx.scratch);
  const View out = ctx.scratch.make_row(1);
  sum_of_squares(ctx, flat, out);
  float sum = 0;
  download(ctx, out, &sum, 1);
  return sum;
}

}  // namespace switchyard
