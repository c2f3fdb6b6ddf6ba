// SPDX-License-Identifier: Apache-2.0
#include "src/core/context.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "tests/support/catch.h"

namespace switchyard {
namespace {

int allocations = 0;

MemorySource counting_source() {
  MemorySource source;
  source.allocate = [](std::size_t bytes) {
    ++allocations;
    return std::memset(std::aligned_alloc(64, bytes), 0, bytes);
  };
  source.release = [](void* data, std::size_t) { std::free(data); };
  source.zero = [](void* data, std::size_t bytes) { std::memset(data, 0, bytes); };
  return source;
}

TEST_CASE("an arena's matrices are aligned, apart, and finite past their last row") {
  Arena arena(counting_source());
  const View a = arena.make(65, 3);
  CHECK(a.row_capacity == 128);
  CHECK(reinterpret_cast<std::uintptr_t>(a.data) % 64 == 0);
  const float* rest = static_cast<const float*>(a.data) + 65 * a.row_stride;
  for (std::int64_t i = 0; i < 63 * a.row_stride; ++i) REQUIRE(rest[i] == 0.0f);
  const View b = arena.make_row(7, DType::i32);
  CHECK(b.row_capacity == 1);
  CHECK(static_cast<std::byte*>(b.data) >=
        static_cast<std::byte*>(a.data) + 128 * a.row_stride * 4);
}

TEST_CASE("an arena grows no more once the largest batch has been seen, in any order of sizes") {
  Arena arena(counting_source());
  constexpr std::int64_t kMiB = std::int64_t{1} << 20;
  const auto step = [&](std::initializer_list<std::int64_t> sizes) {
    const ArenaScope scope(arena);
    for (const std::int64_t mib : sizes) arena.make_row(mib * kMiB, DType::i8);
  };
  step({1, 3, 2, 5});
  step({1});
  const std::size_t grown = arena.grown_bytes();
  const int before = allocations;
  step({5, 3, 2, 1});
  step({4, 4, 3});
  step({11});
  CHECK(arena.grown_bytes() == grown);
  CHECK(allocations == before);
}

TEST_CASE("an arena knows the most that was in use at a time") {
  Arena arena(counting_source());
  CHECK(arena.peak_bytes() == 0);
  {
    const ArenaScope scope(arena);
    arena.make_row(1000, DType::i8);
    arena.make_row(64, DType::i8);
  }
  arena.make_row(64, DType::i8);
  CHECK(arena.peak_bytes() == 1024 + 64);
}

TEST_CASE("what is taken within a scope is given back, what lies before it stays") {
  Arena arena(counting_source());
  const View kept = arena.make_row(16);
  static_cast<float*>(kept.data)[3] = 42;
  void* first = nullptr;
  {
    const ArenaScope scope(arena);
    first = arena.make_row(16).data;
    arena.make_row(1 << 22);  // another block
  }
  CHECK(arena.make_row(16).data == first);
  CHECK(static_cast<const float*>(kept.data)[3] == 42);
}

}  // namespace
}  // namespace switchyard
