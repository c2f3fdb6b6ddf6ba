// SPDX-License-Identifier: Apache-2.0
// Context, the first argument of every operation: threads, two arenas, counters, the backend's
// handle. A Context is used by one host thread at a time; translation workers have one each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "src/core/tensor.h"

namespace switchyard {

// A backend's allocator, with the state it needs (a device, a stream). Everything that holds its
// memory shares ownership of it, so a Tensor may outlive its Context. Thread-safe.
class Memory {
 public:
  virtual ~Memory() = default;
  // Returns zeroed, 64-byte aligned memory; throws Error.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* data, std::size_t bytes) noexcept = 0;
  // Distance in bytes between rows of `row_bytes` bytes in a matrix: at least that, and a multiple
  // of the element size.
  virtual std::size_t row_pitch(std::size_t row_bytes) const { return row_bytes; }
};

// A bump allocator over blocks; memory is freed only by releasing to a mark. It stops growing once
// the largest batch has been seen, which a test asserts with grown_bytes(). When the arena is next
// used from its start, its blocks are merged into one, so the order of sizes does not matter.
class Arena {
 public:
  explicit Arena(std::shared_ptr<Memory> memory) : memory_(std::move(memory)) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // A matrix with undefined content. Its row capacity is `rows` rounded up to kRowRounding; its
  // rows are Memory::row_pitch() apart, and the first is 64-byte aligned.
  View make(std::int64_t rows, std::int64_t cols, DType dtype = DType::f32);
  // A vector [1, cols] with undefined content and capacity 1.
  View make_row(std::int64_t cols, DType dtype = DType::f32);

  struct Mark {
    std::size_t block = 0;
    std::size_t offset = 0;
  };
  Mark mark() const { return here_; }
  void release_to(Mark mark) { here_ = mark; }

  std::size_t grown_bytes() const { return grown_bytes_; }  // size of all blocks
  std::size_t peak_bytes() const { return peak_bytes_; }    // maximum in use so far

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

// At the end of the scope, releases everything taken from the arena within it.
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

// State of the backend (streams, compiled operations). Each backend defines it.
struct Device;
struct DeviceDeleter {
  void (*destroy)(Device*) = nullptr;
  void operator()(Device* device) const {
    if (device) destroy(device);
  }
};

// The cost of a context's operations besides arithmetic; tests compare it to a budget.
struct OperationCounts {
  std::int64_t uploads = 0, downloads = 0;
  std::int64_t fills = 0;
  std::int64_t compiled = 0;  // operations compiled for a shape, such as oneDNN primitives
};

// Created by make_context() in backend.h.
struct Context {
  explicit Context(const std::shared_ptr<Memory>& memory_, DType weight_type_ = DType::f32)
      : weight_type(weight_type_),
        compute_type(weight_type_ == DType::bf16 ? DType::bf16 : DType::f32),
        saved(memory_),
        scratch(memory_),
        memory(memory_) {}

  int threads = 1;
  // A row of a matmul has the same bits no matter which rows are computed with it. On in
  // translation; off in training, because backends may be faster without it.
  bool row_invariant = false;
  // The type of the weights that matmuls read, except a router's: f32, bf16 or, in translation, i8.
  const DType weight_type;
  // The type of the matrices between matmuls: bf16 if the weights are, with f32 sums; else f32.
  // Router, softmax, norms, loss, residual sums and parameter gradients are always f32
  // (arXiv 2101.03961, 2.4: selective precision).
  const DType compute_type;
  Arena saved;    // values that backward needs; released once per step
  Arena scratch;  // intermediate results, released in stack order (ArenaScope)
  std::shared_ptr<Memory> memory;
  OperationCounts counts;
  std::unique_ptr<Device, DeviceDeleter> device;
};

// Owns one block of a backend's memory, initially zero: parameters, moments, key/value caches.
// Move-only; may outlive its Context.
class Tensor {
 public:
  Tensor() = default;
  Tensor(const Context& ctx, std::int64_t rows, std::int64_t cols, DType dtype = DType::f32);
  // Takes over `count` elements at `data`: releases them to `memory`, which allocated them or, if
  // they are somebody else's, keeps them alive and releases nothing.
  Tensor(std::shared_ptr<Memory> memory, void* data, std::int64_t count, DType dtype);
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
