// SPDX-License-Identifier: Apache-2.0
// random_u32() of src/core/rng.h, one element per lane, and a row's dropout, which uses it.
#if defined(SWITCHYARD_SIMD_DROPOUT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_SIMD_DROPOUT_INL_H_
#undef SWITCHYARD_SIMD_DROPOUT_INL_H_
#else
#define SWITCHYARD_SIMD_DROPOUT_INL_H_
#endif

#include <algorithm>

#include "simd/common-inl.h"
#include "simd/dropout.h"
#include "src/core/rng.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd::HWY_NAMESPACE {

HWY_INLINE VU set_u32(std::uint64_t value) {
  return hn::Set(u32, static_cast<std::uint32_t>(value));
}

// random_u32(key, first), random_u32(key, first + 1), ...
HWY_INLINE VU random_from(std::uint64_t key, std::uint32_t first) {
  // (first + lane) * kStep as a sum of two products: one is loop-invariant, the other scalar.
  constexpr std::uint32_t kStep = 0x9E3779B1u;
  const VU lane = hn::Mul(hn::Iota(u32, 0), set_u32(kStep));
  VU x = hn::Xor(hn::Add(lane, set_u32(first * kStep)), set_u32(key));
  x = hn::Mul(hn::Xor(x, hn::ShiftRight<16>(x)), set_u32(0x7FEB352Du));
  x = hn::Xor(x, set_u32(key >> 32));
  x = hn::Mul(hn::Xor(x, hn::ShiftRight<15>(x)), set_u32(0x846CA68Bu));
  return hn::Xor(x, hn::ShiftRight<16>(x));
}

inline std::uint64_t tag_key(std::uint64_t stream, const std::int32_t* tag) {
  return row_key(stream, static_cast<std::uint32_t>(tag[0]), static_cast<std::uint32_t>(tag[1]));
}

// Dropout of one row of a call.
class DropRow {
 public:
  DropRow(const Dropout& drop, std::int64_t row) : on_(drop.rate > 0) {
    if (!on_) return;
    // A row without a token holds zeros, so any mask will do.
    const std::int64_t token = drop.token_of_row ? std::max(0, *drop.token_of_row[row]) : row;
    key_ = tag_key(drop.stream, drop.tags[token]);
    threshold_ = drop_threshold(drop.rate);
    factor_ = 1.0f / (1.0f - drop.rate);
  }

  // Drops or scales x, the row's elements from `first` on.
  HWY_INLINE V operator()(V x, std::size_t first) const {
    if (!on_) return x;
    const VU random = random_from(key_, static_cast<std::uint32_t>(first));
    const auto dropped = hn::RebindMask(f32, hn::Lt(random, hn::Set(u32, threshold_)));
    return hn::IfThenZeroElse(dropped, hn::Mul(x, hn::Set(f32, factor_)));
  }

 private:
  bool on_;
  std::uint64_t key_ = 0;
  std::uint32_t threshold_ = 0;
  float factor_ = 1;
};

}  // namespace switchyard::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
