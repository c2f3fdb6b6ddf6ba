// SPDX-License-Identifier: Apache-2.0
#include "src/core/context.h"

#include <algorithm>
#include <utility>

#include "src/core/round.h"

namespace switchyard {

namespace {

constexpr std::size_t kFirstBlockBytes = std::size_t{1} << 20;
}  // namespace

Arena::~Arena() {
  for (const Block& block : blocks_) memory_->release(block.data, block.bytes);
}

void* Arena::take(std::size_t bytes) {
  bytes = round_up(std::max<std::size_t>(bytes, 1), kAlignment);
  if (here_.block == 0 && here_.offset == 0 && blocks_.size() > 1) merge_blocks();
  while (here_.block < blocks_.size()) {
    const Block& block = blocks_[here_.block];
    if (here_.offset + bytes <= block.bytes) {
      std::byte* data = block.data + here_.offset;
      here_.offset += bytes;
      note_peak();
      return data;
    }
    here_ = {here_.block + 1, 0};
  }
  // A new block is as large as all previous ones combined: few blocks, little waste.
  const std::size_t size = std::max({bytes, grown_bytes_, kFirstBlockBytes});
  blocks_.push_back({static_cast<std::byte*>(memory_->allocate(size)), size});
  grown_bytes_ += size;
  here_ = {blocks_.size() - 1, bytes};
  note_peak();
  return blocks_.back().data;
}

void Arena::note_peak() {
  std::size_t in_use = here_.offset;
  for (std::size_t b = 0; b < here_.block; ++b) in_use += blocks_[b].bytes;
  peak_bytes_ = std::max(peak_bytes_, in_use);
}

void Arena::merge_blocks() {
  const std::size_t together = std::exchange(grown_bytes_, 0);
  for (const Block& block : blocks_) memory_->release(block.data, block.bytes);
  blocks_.clear();
  blocks_.push_back({static_cast<std::byte*>(memory_->allocate(together)), together});
  grown_bytes_ = together;
}

View Arena::make(std::int64_t rows, std::int64_t cols, DType dtype) {
  View v;
  v.rows = rows;
  v.cols = cols;
  v.row_capacity = round_up(rows, kRowRounding);
  v.dtype = dtype;
  const std::size_t row_bytes = static_cast<std::size_t>(cols) * size_bytes(dtype);
  const std::size_t pitch = rows > 1 ? memory_->row_pitch(row_bytes) : row_bytes;
  v.row_stride = static_cast<std::int64_t>(pitch / size_bytes(dtype));
  v.data = take(static_cast<std::size_t>(v.row_capacity) * pitch);
  return v;
}

View Arena::make_row(std::int64_t cols, DType dtype) {
  return {take(static_cast<std::size_t>(cols) * size_bytes(dtype)), 1, cols, cols, 1, dtype};
}

Tensor::Tensor(const Context& ctx, std::int64_t rows, std::int64_t cols, DType dtype)
    : memory_(ctx.memory) {
  bytes_ =
      round_up(std::max<std::size_t>(static_cast<std::size_t>(rows * cols) * size_bytes(dtype), 1),
               kAlignment);
  view_ = {memory_->allocate(bytes_), rows, cols, cols, rows, dtype};
}

Tensor::Tensor(std::shared_ptr<Memory> memory, void* data, std::int64_t count, DType dtype)
    : view_{data, 1, count, count, 1, dtype},
      bytes_(static_cast<std::size_t>(count) * size_bytes(dtype)),
      memory_(std::move(memory)) {}

Tensor::~Tensor() {
  if (view_.data) memory_->release(view_.data, bytes_);
}

Tensor::Tensor(Tensor&& other) noexcept
    : view_(std::exchange(other.view_, {})),
      bytes_(std::exchange(other.bytes_, 0)),
      memory_(other.memory_) {}

Tensor& Tensor::operator=(Tensor&& other) noexcept {
  std::swap(view_, other.view_);
  std::swap(bytes_, other.bytes_);
  std::swap(memory_, other.memory_);
  return *this;
}

}  // namespace switchyard
