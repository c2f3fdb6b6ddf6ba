// SPDX-License-Identifier: Apache-2.0
#include "simd/convert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/convert.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "hwy/highway.h"
#include "src/core/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
constexpr hn::ScalableTag<std::uint32_t> u32{};
constexpr hn::Rebind<std::uint16_t, hn::ScalableTag<std::uint32_t>> u16{};
constexpr hn::ScalableTag<std::int32_t> i32{};
constexpr hn::ScalableTag<float> f32{};

void bf16_to_f32(std::int64_t n, const std::uint16_t* x, float* y) {
  const std::size_t size = static_cast<std::size_t>(n), step = hn::Lanes(u32);
  std::size_t i = 0;
  for (; i + step <= size; i += step) {
    const auto bits = hn::ShiftLeft<16>(hn::PromoteTo(u32, hn::LoadU(u16, x + i)));
    hn::StoreU(hn::BitCast(f32, bits), f32, y + i);
  }
  for (; i < size; ++i) y[i] = switchyard::bf16_to_f32(x[i]);
}

void f32_to_bf16(std::int64_t n, const float* x, std::uint16_t* y) {
  const auto half = hn::Set(u32, 0x7FFFu), one = hn::Set(u32, 1u), quiet = hn::Set(u32, 0x40u);
  const std::size_t size = static_cast<std::size_t>(n), step = hn::Lanes(u32);
  std::size_t i = 0;
  for (; i + step <= size; i += step) {
    const auto value = hn::LoadU(f32, x + i);
    const auto bits = hn::BitCast(u32, value);
    const auto top = hn::ShiftRight<16>(bits);
    const auto to_even = hn::Add(half, hn::And(top, one));
    const auto rounded = hn::ShiftRight<16>(hn::Add(bits, to_even));
    const auto nan = hn::RebindMask(u32, hn::IsNaN(value));
    const auto result = hn::IfThenElse(nan, hn::Or(top, quiet), rounded);
    hn::StoreU(hn::DemoteTo(u16, hn::BitCast(i32, result)), u16, y + i);
  }
  for (; i < size; ++i) y[i] = switchyard::f32_to_bf16(x[i]);
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(bf16_to_f32);
HWY_EXPORT(f32_to_bf16);

void bf16_to_f32(std::int64_t n, const std::uint16_t* x, float* y) {
  HWY_DYNAMIC_DISPATCH(bf16_to_f32)(n, x, y);
}

void f32_to_bf16(std::int64_t n, const float* x, std::uint16_t* y) {
  HWY_DYNAMIC_DISPATCH(f32_to_bf16)(n, x, y);
}

}  // namespace switchyard::simd
#endif
