// SPDX-License-Identifier: Apache-2.0
// Element types and conversions of single values; simd/convert.h converts rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace switchyard {

enum class DType : std::uint8_t { f32, bf16, i8, i32 };

constexpr std::size_t size_bytes(DType dtype) {
  switch (dtype) {
    case DType::f32:
    case DType::i32:
      return 4;
    case DType::bf16:
      return 2;
    case DType::i8:
      return 1;
  }
  return 0;
}

constexpr const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "float32";
    case DType::i32:
      return "int32";
    case DType::bf16:
      return "bfloat16";
    case DType::i8:
      return "int8";
  }
  return "";
}

// memcpy instead of std::bit_cast: backend.h, which includes this, also compiles as C++17.
inline float f32_of_bits(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
inline std::uint32_t bits_of_f32(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

// A bfloat16 in memory: the upper half of an f32.
struct Bf16 {
  std::uint16_t bits;
};

inline float bf16_to_f32(std::uint16_t value) {
  return f32_of_bits(static_cast<std::uint32_t>(value) << 16);
}

// IEEE 754 binary16 to f32, exact, including subnormals, infinities and NaN.
inline float f16_to_f32(std::uint16_t value) {
  const std::uint32_t sign = static_cast<std::uint32_t>(value & 0x8000u) << 16;
  const std::uint32_t exponent = (value >> 10) & 0x1Fu;
  std::uint32_t mantissa = value & 0x3FFu;
  if (exponent == 31) return f32_of_bits(sign | 0x7F800000u | (mantissa << 13));
  if (exponent != 0) return f32_of_bits(sign | ((exponent + 112) << 23) | (mantissa << 13));
  if (mantissa == 0) return f32_of_bits(sign);
  std::uint32_t shift = 0;
  while ((mantissa & 0x400u) == 0) {
    mantissa <<= 1;
    ++shift;
  }
  return f32_of_bits(sign | ((113 - shift) << 23) | ((mantissa & 0x3FFu) << 13));
}

// Rounds to nearest, ties to even; NaN stays NaN.
inline std::uint16_t f32_to_bf16(float value) {
  const std::uint32_t bits = bits_of_f32(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace switchyard
