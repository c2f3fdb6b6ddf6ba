// SPDX-License-Identifier: Apache-2.0
// int8 matmuls on AMX tiles. A tile is a matrix of at most 16 rows of 64 bytes; one instruction
// multiplies two of them. Written in assembly, because the kernels are compiled without AMX.
#pragma once

#include <cstdint>

namespace switchyard::simd {

// Rows and columns of a block of sums: two tiles each.
constexpr std::int64_t kAmxRows = 32, kAmxCols = 32;
// Inputs per step.
constexpr std::int64_t kAmxInputs = 64;

#if defined(__x86_64__)

// Sets the thread's tiles up for blocks of `rows` rows, 1 to kAmxRows, until it is destroyed. Needs
// has_amx_int8().
class AmxTiles {
 public:
  explicit AmxTiles(std::int64_t rows);
  ~AmxTiles() { asm volatile("tilerelease" ::: "memory"); }
  AmxTiles(const AmxTiles&) = delete;
  AmxTiles& operator=(const AmxTiles&) = delete;

  // sums [rows, kAmxCols] = x [rows, inputs] . w, for a multiple of kAmxInputs inputs. Rows of x
  // begin x_stride bytes apart. w holds 4 inputs of each of kAmxCols outputs, then the next 4, ...
  // The weights `ahead` bytes after w are prefetched.
  void multiply(std::int64_t inputs, const std::uint8_t* x, std::int64_t x_stride,
                const std::int8_t* w, std::int64_t ahead, std::int32_t* sums) const;

 private:
  bool two_;  // tiles of rows, not one
};

#endif

}  // namespace switchyard::simd
