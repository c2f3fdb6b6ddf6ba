// SPDX-License-Identifier: Apache-2.0
// How a machine multiplies int8 weights by int8 activations: the part of a Dot (dot_gemm-inl.h)
// that int8_gemm.cpp completes with a panel of weights. All give the same integers.
//
//   static constexpr std::int32_t kOffset;  // added to activations; a panel's sums start from
//                                           // -kOffset * the sum of an output's weights
//   static void quantize_row(std::int64_t in, const float* x, RowHeader&, std::uint8_t* q);
//   static Weights load(const std::int8_t*);
//   static VI start(VI packed);                 // where a sum starts, given the panel's value
//   static VI total(VI sum, const RowHeader&);  // the finished sum
//
// Included once per target (Highway's -inl.h convention).
#if defined(SWITCHYARD_SIMD_INT8_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SWITCHYARD_SIMD_INT8_DOT_INL_H_
#undef SWITCHYARD_SIMD_INT8_DOT_INL_H_
#else
#define SWITCHYARD_SIMD_INT8_DOT_INL_H_
#endif

#include <cstring>

#include "simd/dot_gemm-inl.h"
#include "simd/targets.h"
#include "src/core/round.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd::HWY_NAMESPACE {

constexpr float kTiny = 1e-30f;  // 127 / kTiny is still finite

// Before a row's quantized values.
struct RowHeader {
  float scale;
  std::int32_t flipped;  // see Signs
};

// Returns max |x|, or NaN if an element is NaN: compared as integers, NaN is the largest.
HWY_INLINE float largest(std::int64_t n, const float* x) {
  const std::size_t step = lanes();
  const auto larger = [&](VI most, std::size_t i, auto chunk) HWY_ATTR {
    return hn::Max(most, hn::BitCast(i32, hn::Abs(chunk.load(x + i))));
  };
  VI m0 = hn::Zero(i32), m1 = m0, m2 = m0, m3 = m0;  // four, to hide the latency
  std::size_t i = 0;
  for (; i + 4 * step <= static_cast<std::size_t>(n); i += 4 * step) {
    m0 = larger(m0, i, Whole());
    m1 = larger(m1, i + step, Whole());
    m2 = larger(m2, i + 2 * step, Whole());
    m3 = larger(m3, i + 3 * step, Whole());
  }
  each_vector(n - static_cast<std::int64_t>(i),
              [&](std::size_t j, auto chunk) HWY_ATTR { m0 = larger(m0, i + j, chunk); });
  const VI most = hn::Max(hn::Max(m0, m1), hn::Max(m2, m3));
  return hn::GetLane(hn::BitCast(f32, hn::MaxOfLanes(i32, most)));
}

// Returns the scale; writes whole vectors of quantized values, `offset` added.
template <class Element>
HWY_INLINE float quantize(std::int64_t n, const float* x, std::int32_t offset, Element* q) {
  const hn::Rebind<Element, I32> narrow_tag;
  const float most = largest(n, x);
  const float scale = most < kTiny ? 0 : most / 127;
  const V inverse = hn::Set(f32, most < kTiny ? 0 : 127 / most);
  const VI shift = hn::Set(i32, offset);
  each_vector(n, [&](std::size_t i, auto chunk) HWY_ATTR {
    const VI rounded = hn::NearestInt(hn::Mul(chunk.load(x + i), inverse));
    hn::StoreU(hn::DemoteTo(narrow_tag, hn::Add(rounded, shift)), narrow_tag, q + i);
  });
  return scale;
}

#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2
// Four bytes of activations times four bytes of each output's weights.
struct Bytes {
  using Element = std::uint8_t;
  static constexpr std::int64_t kGroup = 4;
  static constexpr std::int32_t kOffset = 128;  // for Vnni
  using Weights = VI;

  static HWY_INLINE Weights load(const std::int8_t* p) {
    return hn::LoadU(i32, reinterpret_cast<const std::int32_t*>(p));
  }
};

// AVX512_VNNI, AVX_VNNI: activations are unsigned, with 128 added.
struct Vnni : Bytes {
  static constexpr Tile kTile = kTallTile;
  static constexpr std::int64_t kStep = 4;

  static HWY_INLINE void quantize_row(std::int64_t in, const float* x, RowHeader& header,
                                      std::uint8_t* q) {
    header.scale = quantize(in, x, kOffset, q);
  }
  static HWY_INLINE VI inputs(const std::uint8_t* group, std::size_t bytes) {
    return broadcast(group, bytes);
  }
  static HWY_INLINE VI start(VI packed) { return packed; }
  // In assembly, because the targets are compiled without this instruction.
  static HWY_INLINE VI add(VI sum, VI x, Weights w) {
#if HWY_TARGET == HWY_AVX2
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum.raw) : "x"(x.raw), "x"(w.raw));
#else
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(x.raw), "v"(w.raw));
#endif
    return sum;
  }
  static HWY_INLINE VI total(VI sum, const RowHeader&) { return sum; }
};

// Without VNNI. vpmaddubsw adds two products of an unsigned and a signed byte in 16 bits, and
// saturates unless the unsigned one is at most 127: 2 * 127 * 128 < 2^15. So it multiplies the
// sizes of activations, and where one is negative, all bits of its weight are flipped: -w = ~w + 1.
// Those ones, times the sizes, add up to the same number for every output, RowHeader::flipped. A
// row has the sizes of a group, then its signs, 0 or -1.
struct Signs : Bytes {
  static constexpr Tile kTile{2, 2};
  static constexpr std::int64_t kStep = 8;
  struct Inputs {
    VI sizes, signs;
  };

  static HWY_INLINE void quantize_row(std::int64_t in, const float* x, RowHeader& header,
                                      std::uint8_t* q) {
    const hn::Repartition<std::int8_t, I32> i8;
    const hn::Repartition<std::uint8_t, I32> u8;
    const hn::Repartition<std::uint64_t, I32> u64;
    const std::int64_t padded = round_up<std::int64_t>(in, 64);
    // Ends where the row does, so that the loop below reads each vector before it is overwritten.
    auto* const plain = reinterpret_cast<std::int8_t*>(q) + padded;
    std::memset(plain + in, 0, static_cast<std::size_t>(padded - in));
    header.scale = quantize(in, x, 0, plain);
    auto flipped = hn::Zero(u64);
    for (std::int64_t k = 0; k < padded; k += std::int64_t(hn::Lanes(i8))) {
      const auto v = hn::LoadU(i8, plain + k);
      const auto signs = hn::VecFromMask(i8, hn::Lt(v, hn::Zero(i8)));
      const auto sizes = hn::Abs(v);
      flipped = hn::Add(flipped, hn::SumsOf8(hn::BitCast(u8, hn::And(sizes, signs))));
      hn::StoreInterleaved2(hn::BitCast(u32, sizes), hn::BitCast(u32, signs), u32,
                            reinterpret_cast<std::uint32_t*>(q + 2 * k));
    }
    header.flipped = static_cast<std::int32_t>(hn::GetLane(hn::SumOfLanes(u64, flipped)));
  }
  static HWY_INLINE Inputs inputs(const std::uint8_t* group, std::size_t bytes) {
    return {broadcast(group, bytes), broadcast(group + 4, bytes)};
  }
  static HWY_INLINE VI start(VI) { return hn::Zero(i32); }
  static HWY_INLINE VI add(VI sum, Inputs x, Weights w) {
    const VI flipped = hn::Xor(w, x.signs);
#if HWY_TARGET == HWY_AVX2
    const auto pairs = _mm256_maddubs_epi16(x.sizes.raw, flipped.raw);
    sum = hn::Add(sum, VI{_mm256_madd_epi16(pairs, _mm256_set1_epi16(1))});
#else
    const auto pairs = _mm512_maddubs_epi16(x.sizes.raw, flipped.raw);
    sum = hn::Add(sum, VI{_mm512_madd_epi16(pairs, _mm512_set1_epi16(1))});
#endif
    // Otherwise GCC 12 first computes all products of a tile, which do not fit in the registers.
    asm("" : "+v"(sum.raw));
    return sum;
  }
  static HWY_INLINE VI total(VI sum, const RowHeader& header) {
    return hn::Add(sum, hn::Set(i32, header.flipped));
  }
};

HWY_INLINE bool has_vnni() { return HWY_TARGET == HWY_AVX2 ? has_avx_vnni() : has_avx512_vnni(); }

#else
// Any other machine: pairs of 16-bit integers.
struct Words {
  using Element = std::int16_t;
  static constexpr Tile kTile = kTallTile;
  static constexpr std::int64_t kGroup = 2, kStep = 4;
  static constexpr std::int32_t kOffset = 0;

  static HWY_INLINE void quantize_row(std::int64_t in, const float* x, RowHeader& header,
                                      std::uint8_t* q) {
    header.scale = quantize(in, x, 0, reinterpret_cast<std::int16_t*>(q));
  }
  static HWY_INLINE VI inputs(const std::uint8_t* group, std::size_t bytes) {
    return broadcast(group, bytes);
  }
  static HWY_INLINE VI start(VI packed) { return packed; }
  static HWY_INLINE VI total(VI sum, const RowHeader&) { return sum; }
#if HWY_TARGET == HWY_SCALAR
  using Weights = const std::int8_t*;

  static HWY_INLINE Weights load(const std::int8_t* p) { return p; }
  static HWY_INLINE VI add(VI sum, VI x, Weights w) {
    std::int16_t pair[2];
    std::memcpy(pair, &x.raw, sizeof(pair));
    return hn::Add(sum, hn::Set(i32, pair[0] * w[0] + pair[1] * w[1]));
  }
#else
  using I16 = hn::RepartitionToNarrow<I32>;
  using Weights = hn::Vec<I16>;
  using Half = hn::Rebind<std::int8_t, I16>;

  static HWY_INLINE Weights load(const std::int8_t* p) {
    return hn::PromoteTo(I16(), hn::LoadU(Half(), p));
  }
  static HWY_INLINE VI add(VI sum, VI x, Weights w) {
    VI odd = hn::Zero(i32);
    const VI even =
        hn::ReorderWidenMulAccumulate(i32, hn::BitCast(I16(), x), w, hn::Zero(i32), odd);
    return hn::Add(sum, hn::RearrangeToOddPlusEven(even, odd));
  }
#endif
};
#endif

// Calls f with this machine's multiplications.
template <class F>
HWY_INLINE auto with_dot(F&& f) {
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2
  return has_vnni() ? f(Vnni()) : f(Signs());
#else
  return f(Words());
#endif
}

}  // namespace switchyard::simd::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
