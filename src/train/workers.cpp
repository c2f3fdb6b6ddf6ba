// SPDX-License-Identifier: Apache-2.0
#include "src/train/workers.h"

#include <algorithm>
#include <utility>

#include "src/core/error.h"

namespace switchyard {

namespace {

constexpr std::int64_t kSumBlock = std::int64_t{1} << 14;  // floats per gradient: 64 KiB

// Splits the parameters at the boundaries closest to even shares of the flat buffer.
std::vector<ParamShare> even_shares(const ParamLayout& layout, int count) {
  const std::vector<std::int64_t>& offset = layout.offset;
  const auto params = static_cast<std::int64_t>(offset.size());
  const auto begin_of = [&](std::int64_t param) {
    return param == params ? layout.total : offset[static_cast<std::size_t>(param)];
  };
  std::vector<ParamShare> shares;
  std::int64_t first = 0;
  for (int i = 1; i <= count; ++i) {
    const std::int64_t target = layout.total * i / count;
    std::int64_t last = first;
    while (last < params && (i == count || begin_of(last + 1) + begin_of(last) <= 2 * target))
      ++last;
    shares.push_back({{first, last}, begin_of(first), begin_of(last) - begin_of(first)});
    first = last;
  }
  return shares;
}

}  // namespace

std::vector<HostBatch> split_batch(HostBatch&& batch, int workers) {
  const std::size_t sentences = batch.source.size();
  const std::size_t count = std::min(static_cast<std::size_t>(workers), sentences);
  std::vector<HostBatch> parts;
  if (count <= 1) {
    parts.push_back(std::move(batch));
    return parts;
  }
  parts.resize(count);
  for (HostBatch& part : parts) {
    part.source.reserve(sentences / count + 1);
    part.target.reserve(sentences / count + 1);
    part.sentence.reserve(sentences / count + 1);
  }
  for (std::size_t i = 0; i < sentences; ++i) {
    // Back and forth, so that no part gets the longest sentence of every round.
    const std::size_t turn = i % count;
    HostBatch& part = parts[i / count % 2 == 0 ? turn : count - 1 - turn];
    part.source.push_back(std::move(batch.source[i]));
    part.target.push_back(std::move(batch.target[i]));
    part.sentence.push_back(batch.sentence[i]);
  }
  return parts;
}

Workers::Workers(Context& ctx, const ParamLayout& layout, int count)
    : ctx_(ctx), shares_(even_shares(layout, count)), team_(count) {
  check(count >= 1 && count <= ctx.threads, ErrorKind::kUsage, "workers: ", count,
        ", expected 1 to the number of threads, ", ctx.threads);
  for (int i = 0; i < count; ++i) {
    grads_.emplace_back(ctx, layout);
    if (count == 1) break;
    const int threads = ctx.threads / count + (i < ctx.threads % count ? 1 : 0);
    contexts_.push_back(make_context({threads, ctx.row_invariant, ctx.compute_type}));
  }
  std::int64_t most = 0;
  for (const ParamShare& share : shares_) most = std::max(most, share.size);
  squares_ = Tensor(ctx, count, count == 1 ? 1 : (most + kSumBlock - 1) / kSumBlock);
}

Context& Workers::context_of(int worker) {
  return contexts_.empty() ? ctx_ : *contexts_[static_cast<std::size_t>(worker)];
}

void Workers::run(const std::function<void(int, Context&)>& task) {
  if (count() > 1) finish(ctx_);
  team_.run(count(), [&](int worker) {
    Context& ctx = context_of(worker);
    task(worker, ctx);
    if (count() > 1) finish(ctx);
  });
}

void Workers::sum_gradients() {
  run([&](int worker, Context& ctx) {
    const ParamShare& share = share_of(worker);
    const View squares = squares_.view().slice_rows(worker, 1);
    // A single gradient is one block. Several gradients are summed in blocks that are still in
    // cache when their squares are computed.
    const std::int64_t block = count() == 1 ? share.size : kSumBlock;
    for (std::int64_t first = 0; first < share.size; first += block) {
      const auto part = [&](int of) {
        return share.of(gradient_of(of)).slice_cols(first, std::min(block, share.size - first));
      };
      for (int other = 1; other < count(); ++other) {
        add(ctx, part(other), part(0));
        fill(ctx, 0, part(other));
      }
      sum_of_squares(ctx, part(0), squares.slice_cols(first / block, 1));
    }
  });
}

void Workers::clear_gradients() {
  for (const ParamBuffer& grads : grads_) fill(ctx_, 0, grads.flat());
}

}  // namespace switchyard
