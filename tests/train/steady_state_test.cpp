// SPDX-License-Identifier: Apache-2.0
// Memory use of a training step after the largest batch has been seen. A separate program because
// it counts heap allocations.
#include <atomic>
#include <cstdlib>
#include <new>
#include <utility>

#include "src/train/trainer.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_model.h"

namespace {

std::atomic<std::int64_t> blocks_taken{0}, bytes_taken{0}, blocks_held{0};

}  // namespace

extern "C" const char __executable_start, etext;  // the linker's

// Counts only allocations of this program's own code: oneDNN and the C++ library are shared
// objects.
void* operator new(std::size_t bytes) {
  const auto* caller = static_cast<const char*>(__builtin_return_address(0));
  if (caller >= &__executable_start && caller < &etext) {
    ++blocks_taken;
    bytes_taken += static_cast<std::int64_t>(bytes);
  }
  ++blocks_held;
  if (void* data = std::malloc(bytes)) return data;
  throw std::bad_alloc();
}
// The C++ library's version calls the one above. A sanitizer's does not, and its blocks must not be
// freed below.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  ++blocks_held;
  return std::malloc(bytes);
}
void operator delete(void* data) noexcept {
  if (data) --blocks_held;
  std::free(data);
}
void operator delete(void* data, std::size_t) noexcept { operator delete(data); }

namespace switchyard {
namespace {

TEST_CASE("after the largest batch a step allocates only lists of ids and results") {
  const bool bf16 = GENERATE(false, true);
  const bool recompute = GENERATE(false, true);
  const int workers = GENERATE(1, 2);
  CAPTURE(bf16, recompute, workers);
  ModelConfig config = tiny_config({true, false}, {true});
  config.vocab_size = 100;
  config.d_model = config.d_ff = 64;
  TinyModel tiny(config, {2, false, bf16 ? DType::bf16 : DType::f32});
  TrainerOptions options;
  options.activation_checkpointing = recompute;
  options.workers = workers;
  Trainer trainer(*tiny.ctx, tiny.model, tiny.values, options);
  const auto batch_of = [&](std::size_t sentences) {
    return std::vector<HostBatch>{random_batch(config, std::vector<std::int64_t>(sentences, 15),
                                               std::vector<std::int64_t>(sentences, 12), 1)};
  };
  trainer.step(batch_of(100));
  trainer.step(batch_of(1));  // oneDNN has separate kernels for matmuls with few rows
  const Context& ctx = *tiny.ctx;
  const std::size_t arenas = ctx.saved.grown_bytes() + ctx.scratch.grown_bytes();
  const std::int64_t primitives = ctx.counts.compiled;
  for (const std::size_t sentences : {100, 1, 60}) {
    CAPTURE(sentences);
    const std::int64_t held = blocks_held;
    std::vector<HostBatch> batch = batch_of(sentences);
    const std::int64_t tokens = batch[0].source_tokens() + batch[0].target_tokens();
    blocks_taken = bytes_taken = 0;
    trainer.step(std::move(batch));
    const std::int64_t blocks = blocks_taken, bytes = bytes_taken;
    CHECK(ctx.saved.grown_bytes() + ctx.scratch.grown_bytes() == arenas);
    CHECK(ctx.counts.compiled == primitives);
    CHECK(blocks_held == held);
    // The same number for one sentence and for a hundred; workers have lists for their parts.
    CHECK(blocks < (workers == 1 ? 45 : 100));
    // Id, sentence and position of each token, plus 10 kB for per-layer lists.
    CHECK(bytes < 10000 * workers + 16 * tokens);
  }
}

}  // namespace
}  // namespace switchyard
