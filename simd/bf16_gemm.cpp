// SPDX-License-Identifier: Apache-2.0
#include "simd/bf16_gemm.h"

#include "simd/pack_bf16.h"
#include "simd/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/bf16_gemm.cpp"
#include "hwy/foreach_target.h"  // first: includes this file again for each target
#include "simd/common-inl.h"
#include "simd/dot_gemm-inl.h"

HWY_BEFORE_NAMESPACE();
namespace switchyard::simd {
namespace HWY_NAMESPACE {

// The multiplications of a Dot (simd/dot_gemm-inl.h). Weights are pairs of bfloat16, in order of
// their inputs.
struct Widened {  // any machine: two multiply-adds in f32
  static HWY_INLINE V add(V sum, VI x, VI w) {
    const auto even = [](VI pair) HWY_ATTR { return hn::BitCast(f32, hn::ShiftLeft<16>(pair)); };
    const auto odd = [](VI pair) HWY_ATTR {
      return hn::BitCast(f32, hn::ShiftLeft<16>(hn::ShiftRight<16>(pair)));
    };
    return hn::MulAdd(odd(x), odd(w), hn::MulAdd(even(x), even(w), sum));
  }
};

#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3
struct Native {  // AVX512_BF16
  // In assembly, because the AVX3 target is compiled without this instruction.
  static HWY_INLINE V add(V sum, VI x, VI w) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(x.raw), "v"(w.raw));
    return sum;
  }
};
#endif

template <class Machine>
struct Bf16Dot : Machine {
  using Element = Bf16;
  static constexpr Tile kTile = kTallTile;
  static constexpr std::int64_t kGroup = 2, kHeader = 0, kStep = 4;
  const Bf16 *columns, *next;

  // `to`: the next two vectors of outputs.
  Bf16Dot(const Bf16* from, const Bf16* to) : columns(from), next(to) {}
  template <class T>
  HWY_INLINE V start(std::int64_t, const T*) const {
    return hn::Zero(f32);
  }
  static HWY_INLINE VI inputs(const std::uint8_t* group, std::size_t bytes) {
    return broadcast(group, bytes);
  }
  HWY_INLINE VI weights(std::int64_t g, std::int64_t v) const {
    const std::int64_t at = g * kGroup * kBf16PanelCols + v * kGroup * std::int64_t(lanes());
    return hn::LoadU(i32, reinterpret_cast<const std::int32_t*>(columns + at));
  }
  HWY_INLINE void prefetch(std::int64_t g) const {
    hwy::Prefetch(next + g * kGroup * kBf16PanelCols);
    if (lanes() == 16) hwy::Prefetch(next + g * kGroup * kBf16PanelCols + 32);
  }
  template <class T>
  HWY_INLINE void store(V sum, const std::uint8_t*, std::int64_t, T* y) const {
    Whole().store(sum, y);
  }
};

template <class Machine>
void multiply(std::int64_t rows, std::int64_t first_col, std::int64_t last_col, std::int64_t in,
              Rows<const Bf16> x, const Bf16* packed, AnyOut y) {
  const Rows<const std::uint8_t> bytes{reinterpret_cast<const std::uint8_t*>(x.data),
                                       x.stride * std::int64_t(sizeof(Bf16))};
  with_rows(y, [&](auto y_rows) HWY_ATTR {
    const auto columns = [&](std::int64_t col) {
      return packed + col / kBf16PanelCols * packed_bf16_panel_size(in) + packed_bf16_index(0, col);
    };
    dot_gemm(rows, first_col, last_col, in, bytes, y_rows, [&](std::int64_t col) HWY_ATTR {
      return Bf16Dot<Machine>(columns(col), columns(col + std::int64_t(2 * lanes())));
    });
  });
}

void bf16_gemm(std::int64_t rows, std::int64_t first_col, std::int64_t last_col, std::int64_t in,
               Rows<const Bf16> x, const Bf16* packed, AnyOut y) {
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX3
  if (has_avx512_bf16()) return multiply<Native>(rows, first_col, last_col, in, x, packed, y);
#endif
  multiply<Widened>(rows, first_col, last_col, in, x, packed, y);
}

}  // namespace HWY_NAMESPACE
}  // namespace switchyard::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace switchyard::simd {

HWY_EXPORT(bf16_gemm);
decltype(bf16_gemm) bf16_gemm = dispatch<HWY_DISPATCH_TABLE(bf16_gemm)>;

}  // namespace switchyard::simd
#endif
