// SPDX-License-Identifier: Apache-2.0
// Context: what every operation gets first. Threads, the two arenas, counters, the backend's
// handle. One Context is used by one host thread at a time; translation workers have one each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "src/core/tensor.h"

namespace switchyard {

// Where a backend's memory comes from, with the state that takes (a device, a stream). Shared by
// all that holds memory of it, so that a Tensor may outlive its Context. Functions may be called
// from several threads.
class Memory {
 public:
  virtual ~Memory() = default;
  // 64-byte aligned, zeroed; throws Error.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* data, std::size_t bytes) noexcept = 0;
  // How far apart a backend wants the rows of a matrix that have `row_bytes` bytes each: at least
  // that, and a multiple of the element size.
  virtual std::size_t row_pitch(std::size_t row_bytes) const { return row_bytes; }
};

// A bump allocator over blocks. Freed only by going back to a mark; after the largest batch has
// been seen it no longer grows, which `grown_bytes` shows and a test asserts. Several blocks become
// one when the arena is next used from its start, so that no order of sizes fits worse than
// another.
class Arena {
 public:
  explicit Arena(std::shared_ptr<Memory> memory) : memory_(std::move(memory)) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // A matrix of undefined content. Row capacity is `rows` rounded up to kRowRounding; each row
  // starts on 64 bytes where cols fill whole ones, at the distance of Memory::row_pitch().
  View make(std::int64_t rows, std::int64_t cols, DType dtype = DType::f32);
  // A vector [1, cols] of undefined content, of capacity 1.
  View make_row(std::int64_t cols, DType dtype = DType::f32);

  struct Mark {
    std::size_t block = 0;
    std::size_t offset = 0;
  };
  Mark mark() const { return here_; }
  void release_to(Mark mark) { here_ = mark; }

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

  std::shared_ptr<Memory> memory_;
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

// What a context's operations have done besides arithmetic. Tests hold it against a budget.
struct OperationCounts {
  std::int64_t uploads = 0, downloads = 0;
  std::int64_t fills = 0;
  std::int64_t compiled = 0;  // operations compiled for a shape, such as oneDNN primitives
};

// Made by make_context() of backend.h.
struct Context {
  explicit Context(const std::shared_ptr<Memory>& memory_)
      : saved(memory_), scratch(memory_), memory(memory_) {}

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
  std::shared_ptr<Memory> memory;
  OperationCounts counts;
  std::unique_ptr<Device, DeviceDeleter> device;
};

// Owns one block of a backend's memory, zeroed at first: parameters, moments, key/value caches.
// Move-only. May outlive its Context.
class Tensor {
 public:
  Tensor() = default;
  Tensor(const Context& ctx, std::int64_t rows, std::int64_t cols, DType dtype = DType::f32);
  ~Tensor();
  Tensor(Tensor&& other) noexcept;
  Tensor& operator=(Tensor&& other) noexcept;

  const View& view() const { return view_; }
  operator View() const { return view_; }
  operator ConstView() const { return view_; }
  std::size_t bytes() const { return bytes_; }

 private:
  View view_;
  std::size_t bytes_ = 0;
  std::shared_ptr<Memory> memory_;
};

}  // namespace switchyard
