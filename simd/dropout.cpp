// SPDX-License-Identifier: Apache-2.0
#include "simd/dropout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/dropout.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/dropout-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

template <class X, class Y>
void dropout_typed(std::int64_t rows, std::int64_t cols, const Dropout& drop, Rows<X> x,
                   Rows<Y> y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const DropRow drop_row(drop, r);
    const X* from = x[r];
    Y* to = y[r];
    each_vector(cols, [&](std::size_t i, auto chunk)
                          HWY_ATTR { chunk.store(drop_row(chunk.load(from + i), i), to + i); });
  }
}
void dropout(std::int64_t rows, std::int64_t cols, const Dropout& drop, AnyIn x, AnyOut y) {
  with_rows(x, y, [&](auto from, auto to) { dropout_typed(rows, cols, drop, from, to); });
}

template <class X>
void add_dropout_typed(std::int64_t rows, std::int64_t cols, const Dropout& drop, Rows<X> x,
                       In residual, Out y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const DropRow drop_row(drop, r);
    const X* from = x[r];
    const float* base = residual[r];
    float* to = y[r];
    each_vector(cols, [&](std::size_t i, auto chunk) HWY_ATTR {
      chunk.store(hn::Add(chunk.load(base + i), drop_row(chunk.load(from + i), i)), to + i);
    });
  }
}
void add_dropout(std::int64_t rows, std::int64_t cols, const Dropout& drop, AnyIn x, In residual,
                 Out y) {
  with_rows(x, [&](auto from) { add_dropout_typed(rows, cols, drop, from, residual, y); });
}

template <class X>
void jitter_typed(std::int64_t rows, std::int64_t cols, float eps, std::uint64_t stream,
                  IndexIn tags, Rows<X> x, Out y) {
  // 1 + eps * (2 * u - 1) with u = (random >> 8) * 2^-24, as in uniform_f32() of core/rng.h.
  const V slope = hn::Set(f32, 2 * eps * 0x1p-24f), start = hn::Set(f32, 1 - eps);
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::uint64_t key = tag_key(stream, tags[r]);
    const X* from = x[r];
    float* to = y[r];
    each_vector(cols, [&](std::size_t i, auto chunk) HWY_ATTR {
      const VU random = hn::ShiftRight<8>(random_from(key, static_cast<std::uint32_t>(i)));
      const V u = hn::ConvertTo(f32, hn::BitCast(hn::RebindToSigned<F32>(), random));
      chunk.store(hn::Mul(chunk.load(from + i), hn::MulAdd(u, slope, start)), to + i);
    });
  }
}
void jitter(std::int64_t rows, std::int64_t cols, float eps, std::uint64_t stream, IndexIn tags,
            AnyIn x, Out y) {
  with_rows(x, [&](auto from) { jitter_typed(rows, cols, eps, stream, tags, from, y); });
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(dropout);
decltype(dropout) dropout = dispatch<HWY_DISPATCH_TABLE(dropout)>;
HWY_EXPORT(add_dropout);
decltype(add_dropout) add_dropout = dispatch<HWY_DISPATCH_TABLE(add_dropout)>;
HWY_EXPORT(jitter);
decltype(jitter) jitter = dispatch<HWY_DISPATCH_TABLE(jitter)>;

}  // namespace switchyard::simd
#endif
