// SPDX-License-Identifier: Apache-2.0
// What a decoding step may ask of a backend besides arithmetic: on a GPU, where a step takes less
// than a millisecond, each copy is felt.
#include "src/decode/search.h"
#include "tests/support/catch.h"
#include "tests/support/tiny_model.h"

namespace switchyard {
namespace {

struct Budget {
  std::int64_t beams, uploads, downloads;
  bool on_host = false;
};
// All indices of a step go up at once, a beam's scores with them; what comes back, candidates and
// with beams their values, comes at once as well.
constexpr Budget kGreedy{1, 1, 1}, kBeam{3, 1, 1};
// Logits processors need the logits as well.
constexpr Budget kProcessed{1, 1, 2, true}, kProcessedBeam{3, 1, 2, true};

TEST_CASE("a decoding step's uploads and downloads; it fills nothing") {
  const Budget budget = GENERATE(kGreedy, kBeam, kProcessed, kProcessedBeam);
  const std::size_t layers = GENERATE(1, 3);
  CAPTURE(budget.beams, budget.on_host, layers);
  const ModelConfig config = tiny_config({true}, std::vector<bool>(layers, true));
  const TinyModel tiny(config, {1, true});
  const std::vector<Ids> sources = random_sentences(config, {3, 5}, 1);
  SearchOptions options;
  options.num_beams = budget.beams;
  options.suppressed_id = static_cast<std::int32_t>(config.eos_token_id);  // no early end
  if (budget.on_host) options.logits.min_length = 1;
  const auto count = [&](std::int64_t steps) {
    tiny.ctx->counts = {};
    options.max_new_tokens = steps;
    search_batch(*tiny.ctx, tiny.model, sources, options);
    return tiny.ctx->counts;
  };
  // The position bias is expanded for 32 steps at first.
  const OperationCounts some = count(20), more = count(30);
  CHECK(more.uploads - some.uploads <= 10 * budget.uploads);
  CHECK(more.downloads - some.downloads <= 10 * budget.downloads);
  CHECK(more.fills == some.fills);
}

}  // namespace
}  // namespace switchyard
