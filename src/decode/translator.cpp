// SPDX-License-Identifier: Apache-2.0
#include "src/decode/translator.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <numeric>
#include <system_error>
#include <thread>

#include "src/core/error.h"
#include "src/decode/beam_search.h"
#include "src/decode/greedy.h"

namespace switchyard {

// Longest first: the largest batch comes when memory is still free, and short batches fill up the
// workers' ends. Tokens are limited so that memory stays bounded when sequences are long.
std::vector<std::vector<std::size_t>> translation_batches(const std::vector<Ids>& sources,
                                                          std::size_t mini_batch) {
  std::vector<std::size_t> order(sources.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return sources[a].size() > sources[b].size();
  });
  std::vector<std::vector<std::size_t>> batches;
  std::size_t tokens = 0;
  for (const std::size_t i : order) {
    tokens += sources[i].size();
    if (batches.empty() || batches.back().size() == mini_batch || tokens > kMaxBatchTokens) {
      batches.emplace_back();
      tokens = sources[i].size();
    }
    batches.back().push_back(i);
  }
  return batches;
}

Translator::Translator(const Model& model, const TranslatorOptions& options)
    : model_(model), options_(options) {
  validate(options.search);
  check(options.workers >= 1 && options.workers <= 1024, ErrorKind::kUsage,
        "workers: ", options.workers, ", expected 1 to 1024");
  check(options.mini_batch >= 1, ErrorKind::kUsage, "mini-batch: ", options.mini_batch,
        ", expected at least 1");
  for (int w = 0; w < options.workers; ++w)
    contexts_.push_back(make_context({options.threads, options.row_invariant}));
}

std::vector<NBest> Translator::translate(const std::vector<Ids>& sources) {
  // A few sentences are shared out among all workers.
  const std::size_t share = (sources.size() + contexts_.size() - 1) / contexts_.size();
  const auto mini_batch = static_cast<std::size_t>(options_.mini_batch);
  const auto batches = translation_batches(sources, std::min(mini_batch, share));
  std::vector<NBest> result(sources.size());
  std::atomic<std::size_t> next{0};
  std::exception_ptr error;
  std::mutex error_mutex;

  const auto work = [&](Context& ctx) {
    try {
      for (std::size_t b = next++; b < batches.size(); b = next++) {
        std::vector<Ids> batch;
        for (const std::size_t i : batches[b]) batch.push_back(sources[i]);
        std::vector<NBest> found = options_.search.num_beams == 1
                                       ? greedy_search(ctx, model_, batch, options_.search)
                                       : beam_search(ctx, model_, batch, options_.search);
        for (std::size_t j = 0; j < found.size(); ++j) result[batches[b][j]] = std::move(found[j]);
      }
    } catch (...) {
      const std::lock_guard lock(error_mutex);
      if (!error) error = std::current_exception();
      next = batches.size();
    }
  };
  // The caller's thread is the first worker; no more threads than batches are started, and fewer
  // where the system allows no more.
  std::vector<std::thread> others;
  try {
    for (std::size_t w = 1; w < std::min(contexts_.size(), batches.size()); ++w)
      others.emplace_back(work, std::ref(*contexts_[w]));
  } catch (const std::system_error&) {
  }
  work(*contexts_[0]);
  for (std::thread& t : others) t.join();
  if (error) std::rethrow_exception(error);
  return result;
}

}  // namespace switchyard
