// SPDX-License-Identifier: Apache-2.0
#include "simd/convert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/convert.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/common-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

template <class X, class Y>
void convert_rows(std::int64_t rows, std::int64_t cols, Rows<X> x, Rows<Y> y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const X* from = x[r];
    Y* to = y[r];
    each_vector(cols, [&](std::size_t i, auto chunk)
                          HWY_ATTR { chunk.store(chunk.load(from + i), to + i); });
  }
}

void convert(std::int64_t rows, std::int64_t cols, AnyIn x, AnyOut y) {
  with_rows(x, y, [&](auto from, auto to) { convert_rows(rows, cols, from, to); });
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(convert);
decltype(convert) convert = dispatch<HWY_DISPATCH_TABLE(convert)>;

}  // namespace switchyard::simd
#endif
