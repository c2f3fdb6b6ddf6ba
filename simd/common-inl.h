// SPDX-License-Identifier: Apache-2.0
// Loops over a row, shared by all kernels: whole vectors, then a partial one. Nothing past the row
// is read or written. Included once per target (Highway's -inl.h convention).
#if defined(SWITCHYARD_SIMD_COMMON_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_SIMD_COMMON_INL_H_
#undef SWITCHYARD_SIMD_COMMON_INL_H_
#else
#define SWITCHYARD_SIMD_COMMON_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"
#include "simd/dispatch.h"
#include "src/core/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using F32 = hn::ScalableTag<float>;
using V = hn::Vec<F32>;
constexpr F32 f32{};
using U32 = hn::RebindToUnsigned<F32>;
using VU = hn::Vec<U32>;
constexpr U32 u32{};
// A vector with one bfloat16 for each lane of a float vector.
using U16 = hn::Rebind<std::uint16_t, F32>;
using VHalf = hn::Vec<U16>;
constexpr U16 u16{};

inline std::size_t lanes() { return hn::Lanes(f32); }

HWY_INLINE V widen(VHalf bf16) {
  return hn::BitCast(f32, hn::ShiftLeft<16>(hn::PromoteTo(u32, bf16)));
}
// Rounds to nearest, ties to even; NaN stays NaN. The same bits as f32_to_bf16() in
// src/core/dtype.h.
HWY_INLINE VHalf narrow(V v) {
  const VU bits = hn::BitCast(u32, v), top = hn::ShiftRight<16>(bits);
  const VU to_even = hn::Add(hn::Set(u32, 0x7FFFu), hn::And(top, hn::Set(u32, 1u)));
  const VU rounded = hn::ShiftRight<16>(hn::Add(bits, to_even));
  const VU quiet = hn::Or(top, hn::Set(u32, 0x40u));
  const VU half = hn::IfThenElse(hn::RebindMask(u32, hn::IsNaN(v)), quiet, rounded);
  return hn::DemoteTo(u16, hn::BitCast(hn::RebindToSigned<F32>(), half));
}

// A whole vector of a row.
struct Whole {
  V load(const float* p) const { return hn::LoadU(f32, p); }
  void store(V v, float* p) const { hn::StoreU(v, f32, p); }
  V load(const Bf16* p) const { return widen(hn::LoadU(u16, &p->bits)); }
  void store(V v, Bf16* p) const { hn::StoreU(narrow(v), u16, &p->bits); }
  V or_zero(V v) const { return v; }
};

// The first `count` lanes of a vector, 0 < count < lanes: the end of a row. The other lanes load as
// zeros. Before AVX2, a masked load touches the memory of all lanes, so a buffer is used instead.
struct Part {
  std::size_t count;

  V or_zero(V v) const { return hn::IfThenElseZero(hn::FirstN(f32, count), v); }
  V load(const Bf16* p) const {
    HWY_ALIGN std::uint16_t buffer[hn::MaxLanes(f32)] = {};
    for (std::size_t i = 0; i < count; ++i) buffer[i] = p[i].bits;
    return widen(hn::Load(u16, buffer));
  }
  void store(V v, Bf16* p) const {
    HWY_ALIGN std::uint16_t buffer[hn::MaxLanes(f32)];
    hn::Store(narrow(v), u16, buffer);
    for (std::size_t i = 0; i < count; ++i) p[i].bits = buffer[i];
  }
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
  V load(const float* p) const { return hn::MaskedLoad(hn::FirstN(f32, count), f32, p); }
  void store(V v, float* p) const { hn::BlendedStore(v, hn::FirstN(f32, count), f32, p); }
#else
  V load(const float* p) const {
    HWY_ALIGN float buffer[hn::MaxLanes(f32)] = {};
    for (std::size_t i = 0; i < count; ++i) buffer[i] = p[i];
    return hn::Load(f32, buffer);
  }
  void store(V v, float* p) const {
    HWY_ALIGN float buffer[hn::MaxLanes(f32)];
    hn::Store(v, f32, buffer);
    for (std::size_t i = 0; i < count; ++i) p[i] = buffer[i];
  }
#endif
};

// Calls f(i, chunk) for each vector of n elements, in order; chunk is a Whole or a Part.
template <class F>
HWY_INLINE void each_vector(std::int64_t n, F&& f) {
  const std::size_t size = static_cast<std::size_t>(n), step = lanes();
  std::size_t i = 0;
  for (; i + step <= size; i += step) f(i, Whole{});
  if (i < size) f(i, Part{size - i});
}

// Sums n terms: f(sum, i, chunk) returns `sum` plus the chunk's terms, zero in the lanes past the
// end. Four partial sums let additions overlap; they are combined in a fixed order.
template <class F>
HWY_INLINE float sum_over(std::int64_t n, F&& f) {
  const std::size_t size = static_cast<std::size_t>(n), step = lanes();
  V s0 = hn::Zero(f32), s1 = s0, s2 = s0, s3 = s0;
  std::size_t i = 0;
  for (; i + 4 * step <= size; i += 4 * step) {
    s0 = f(s0, i, Whole{});
    s1 = f(s1, i + step, Whole{});
    s2 = f(s2, i + 2 * step, Whole{});
    s3 = f(s3, i + 3 * step, Whole{});
  }
  for (; i + step <= size; i += step) s0 = f(s0, i, Whole{});
  if (i < size) s1 = f(s1, i, Part{size - i});
  return hn::GetLane(hn::SumOfLanes(f32, hn::Add(hn::Add(s0, s1), hn::Add(s2, s3))));
}

template <class X, class Y>
HWY_INLINE float dot_product(std::int64_t n, const X* x, const Y* y) {
  return sum_over(n, [&](V sum, std::size_t i, auto chunk) HWY_ATTR {
    return hn::MulAdd(chunk.load(x + i), chunk.load(y + i), sum);
  });
}

}  // namespace switchyard::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
