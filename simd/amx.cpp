// SPDX-License-Identifier: Apache-2.0
#include "simd/amx.h"

#if defined(__x86_64__)

#include <algorithm>

namespace switchyard::simd {

namespace {

// The memory format of ldtilecfg (Intel's Software Developer's Manual, volume 1, section 18.3).
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

// Tiles 0 to 3 are the sums, row by row; 4 and 5 rows of x; 6 and 7 columns of w.
constexpr int kRowTile[] = {0, 0, 1, 1, 0, 1};
constexpr int kSumsAndRows = 6;

template <int kTile>
inline void load(const void* from, std::int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(stride), "i"(kTile) : "memory");
}

// Sums += x . w, x unsigned.
template <int kSums, int kX, int kW>
inline void multiply_add() {
  asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(kSums), "i"(kX), "i"(kW));
}

template <int kTile>
inline void store(std::int32_t* to) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to),
               "r"(kAmxCols * std::int64_t{sizeof(std::int32_t)}), "i"(kTile)
               : "memory");
}

}  // namespace

AmxTiles::AmxTiles(std::int64_t rows) : two_(rows > 16) {
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    config.row_bytes[tile] = 64;
    config.rows[tile] = 16;
    if (tile >= kSumsAndRows) continue;
    const std::int64_t first = kRowTile[tile] * 16;
    // A tile without rows is not used.
    config.rows[tile] = static_cast<std::uint8_t>(std::clamp<std::int64_t>(rows - first, 1, 16));
  }
  asm volatile("ldtilecfg %0" ::"m"(config));
}

void AmxTiles::multiply(std::int64_t inputs, const std::uint8_t* x, std::int64_t x_stride,
                        const std::int8_t* w, std::int64_t ahead, std::int32_t* sums) const {
  constexpr std::int64_t kGroupBytes = 4 * kAmxCols, kStepBytes = kAmxInputs * kAmxCols;
  asm volatile("tilezero %tmm0\n\ttilezero %tmm1\n\ttilezero %tmm2\n\ttilezero %tmm3");
  for (std::int64_t k = 0; k < inputs; k += kAmxInputs, w += kStepBytes) {
    load<6>(w, kGroupBytes);
    load<7>(w + 64, kGroupBytes);
    load<4>(x + k, x_stride);
    multiply_add<0, 4, 6>();
    multiply_add<1, 4, 7>();
    if (two_) {
      load<5>(x + 16 * x_stride + k, x_stride);
      multiply_add<2, 5, 6>();
      multiply_add<3, 5, 7>();
    }
    for (std::int64_t i = 0; i < kStepBytes; i += 64) __builtin_prefetch(w + ahead + i);
  }
  store<0>(sums);
  store<1>(sums + 16);
  if (!two_) return;
  store<2>(sums + 16 * kAmxCols);
  store<3>(sums + 16 * kAmxCols + 16);
}

}  // namespace switchyard::simd

#endif
