// SPDX-License-Identifier: Apache-2.0
#include "src/core/context.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

#include "tests/support/catch.h"

namespace switchyard {
namespace {

// An output can be passed on as an input, an input never as an output.
static_assert(std::is_convertible_v<View, ConstView>);
static_assert(std::is_convertible_v<const Tensor&, ConstView>);
static_assert(!std::is_convertible_v<ConstView, View>);

class CountingMemory : public Memory {
 public:
  void* allocate(std::size_t bytes) override {
    ++allocations;
    ++held;
    return std::memset(std::aligned_alloc(64, bytes), 0, bytes);
  }
  void release(void* data, std::size_t) noexcept override {
    --held;
    std::free(data);
  }
  std::size_t row_pitch(std::size_t row_bytes) const override {
    return row_bytes == 1024 ? row_bytes + 64 : row_bytes;
  }

  int allocations = 0, held = 0;
};

TEST_CASE("an arena's matrices are aligned, apart, and have room for whole blocks of rows") {
  Arena arena(std::make_shared<CountingMemory>());
  const View a = arena.make(65, 3);
  CHECK(a.row_capacity == 128);
  CHECK(reinterpret_cast<std::uintptr_t>(a.data) % 64 == 0);
  const View b = arena.make_row(7, DType::i32);
  CHECK(b.row_capacity == 1);
  CHECK(static_cast<std::byte*>(b.data) >=
        static_cast<std::byte*>(a.data) + 128 * a.row_stride * 4);
}

TEST_CASE("the backend says how far apart rows are") {
  Arena arena(std::make_shared<CountingMemory>());
  CHECK(arena.make(2, 255).row_stride == 255);
  CHECK(arena.make(2, 256).row_stride == 272);
  CHECK(arena.make(2, 512, DType::bf16).row_stride == 544);
  CHECK(arena.make(1, 256).contiguous());
  const View a = arena.make(3, 256), b = arena.make(1, 1);
  CHECK(static_cast<std::byte*>(b.data) >= static_cast<std::byte*>(a.data) + 64 * 272 * 4);
}

TEST_CASE("a tensor outlives its context, the memory's state outlives both") {
  auto memory = std::make_shared<CountingMemory>();
  const std::weak_ptr<CountingMemory> state = memory;
  auto ctx = std::make_unique<Context>(memory);
  auto* const counts = memory.get();
  memory.reset();
  {
    Tensor kept(*ctx, 2, 3);
    ctx->scratch.make_row(1);
    ctx.reset();
    REQUIRE(!state.expired());
    CHECK(counts->held == 1);
    static_cast<float*>(kept.view().data)[5] = 1;
    const Tensor moved = std::move(kept);
    CHECK(static_cast<const float*>(moved.view().data)[5] == 1);
    CHECK(counts->held == 1);
  }
  CHECK(state.expired());
}

TEST_CASE("an arena grows no more once the largest batch has been seen, in any order of sizes") {
  const auto memory = std::make_shared<CountingMemory>();
  Arena arena(memory);
  constexpr std::int64_t kMiB = std::int64_t{1} << 20;
  const auto step = [&](std::initializer_list<std::int64_t> sizes) {
    const ArenaScope scope(arena);
    for (const std::int64_t mib : sizes) arena.make_row(mib * kMiB, DType::i8);
  };
  step({1, 3, 2, 5});
  step({1});
  const std::size_t grown = arena.grown_bytes();
  const int before = memory->allocations;
  step({5, 3, 2, 1});
  step({4, 4, 3});
  step({11});
  CHECK(arena.grown_bytes() == grown);
  CHECK(memory->allocations == before);
}

TEST_CASE("an arena knows the most that was in use at a time") {
  Arena arena(std::make_shared<CountingMemory>());
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
  Arena arena(std::make_shared<CountingMemory>());
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
