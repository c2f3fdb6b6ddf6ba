// SPDX-License-Identifier: Apache-2.0
// Context: what every operation gets first. Threads, the two arenas, counters, the backend's
// handle. One Context is used by one host thread at a time; translation workers have one each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "src/core/tensor.h"

namespace switchyard {

// How a backend gives out memory. `allocate` returns 64-byte aligned, zeroed memory or throws
// Error.
struct MemorySource {
  void* (*allocate)(std::size_t bytes) = nullptr;
  void (*release)(void* data, std::size_t bytes) = nullptr;
  // Zeroes memory already given out; ordered before the operations issued after it.
  void (*zero)(void* data, std::size_t bytes) = nullptr;
};

// A bump allocator over blocks. Freed only by going back to a mark; after the largest batch has
// been seen it no longer grows, which `grown_bytes` shows and a test asserts. Several blocks become
// one when the arena is next used from its start, so that no order of sizes fits worse than
// another.
class Arena {
 public:
  explicit Arena(MemorySource source) : source_(source) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // A matrix of undefined content but for the rows past `rows`, which are zero. Row capacity is
  // `rows` rounded up to kRowRounding; each row starts on 64 bytes where cols fill whole ones, and
  // with `spread_rows` rows of 2 KiB or a multiple have 64 bytes between them.
  View make(std::int64_t rows, std::int64_t cols, DType dtype = DType::f32);
  // A vector [1, cols] of undefined content, of capacity 1.
  View make_row(std::int64_t cols, DType dtype = DType::f32);

  struct Mark {
    std::size_t block = 0;
    std::size_t offset = 0;
  };
  Mark mark() const { return here_; }
  void release_to(Mark mark) { here_ = mark; }

  bool spread_rows = true;  // off where a backend's products want matrices without gaps

  std::size_t grown_bytes() const { return grown_bytes_; }  // all blocks together
  std::size_t peak_bytes() const { return peak_bytes_; }    // most that was in use at a time

 private:
  struct Block {
    std::byte* data;
    std::size_t bytes;
  };
  void* take(std::size_t bytes);
  void note_peak();
  void merge_blocks();

  MemorySource source_;
  std::vector<Block> blocks_;
  Mark here_;
  std::size_t grown_bytes_ = 0;
  std::size_t peak_bytes_ = 0;
};

// Gives back on leaving the scope what was taken from the arena within it.
class ArenaScope {
 public:
  explicit ArenaScope(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ~ArenaScope() { arena_.release_to(mark_); }
  ArenaScope(const ArenaScope&) = delete;
  ArenaScope& operator=(const ArenaScope&) = delete;

 private:
  Arena& arena_;
  Arena::Mark mark_;
};

// The backend's own state (streams, primitive tables). Defined by each backend.
struct Device;
struct DeviceDeleter {
  void (*destroy)(Device*) = nullptr;
  void operator()(Device* device) const {
    if (device) destroy(device);
  }
};

// Made by make_context() of backend.h.
struct Context {
  explicit Context(MemorySource source) : saved(source), scratch(source), memory(source) {}

  int threads = 1;
  // A row of a matmul has the same bits whatever the number of rows beside it: what translation
  // asks for. Training leaves it off where the backend is faster so.
  bool row_invariant = false;
  // What matmuls compute in, and with them the matrices between them: f32, or bf16 with f32 sums.
  // Router, softmax, norms, loss, residual sums and gradients of parameters are f32 always
  // (arXiv 2101.03961, 2.4: selective precision).
  DType compute_type = DType::f32;
  Arena saved;    // what backward needs; released once a step
  Arena scratch;  // intermediate results; stack discipline, by ArenaScope
  MemorySource memory;
  std::unique_ptr<Device, DeviceDeleter> device;
};

// Owns one block of a backend's memory: parameters, moments, key/value caches. Move-only.
class Tensor {
 public:
  Tensor() = default;
  Tensor(const Context& ctx, std::int64_t rows, std::int64_t cols, DType dtype = DType::f32);
  ~Tensor();
  Tensor(Tensor&& other) noexcept;
  Tensor& operator=(Tensor&& other) noexcept;

  const View& view() const { return view_; }
  operator View() const { return view_; }
  std::size_t bytes() const { return bytes_; }

 private:
  View view_;
  std::size_t bytes_ = 0;
  MemorySource source_;
};

}  // namespace switchyard
