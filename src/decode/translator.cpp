// SPDX-License-Identifier: Apache-2.0
#include "src/decode/translator.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "src/core/error.h"
#include "src/core/parallel.h"
#include "src/decode/search.h"
#include "src/decode/thread_choice.h"
#include "src/decode/translation_queue.h"

namespace switchyard {

namespace {

// Slots are refilled once 1/kRefillPart of them, and of the limit of tokens, are free: the encoder
// is slow on few sentences.
constexpr std::size_t kRefillPart = 4;

// The window in which sentences are sorted, in batches of all workers.
constexpr std::size_t kWindowBatches = 16;

// Limits a worker's source tokens. The longest sentences come first, and their keys and values need
// the most memory, so a worker holds fewer of them at a time.
std::size_t max_tokens(const TranslatorOptions& options) {
  constexpr std::int64_t kTokensPerSentence = 32, kLeast = 1024;
  return static_cast<std::size_t>(std::max(kTokensPerSentence * options.mini_batch, kLeast));
}

}  // namespace

// Shared by the workers of one translate() call.
struct Translator::Job {
  const std::vector<Ids>& sources;
  const std::vector<Ids>& prefixes;
  const Found& found;
  std::uint64_t first;        // number of the first source
  std::size_t slots, tokens;  // limits of each worker
  TranslationQueue queue;
  ThreadChoice* choice;  // of the only worker, or null
  std::mutex error_mutex;
  std::exception_ptr error;
};

Translator::Translator(const Model& model, const TranslatorOptions& options) : options_(options) {
  validate(options.search);
  check(options.workers >= 1 && options.workers <= 1024, ErrorKind::kUsage,
        "workers: ", options.workers, ", expected 1 to 1024");
  check(options.mini_batch >= 1, ErrorKind::kUsage, "mini-batch: ", options.mini_batch,
        ", expected at least 1");
  for (int w = 0; w < options.workers; ++w) {
    Worker worker;
    worker.ctx = make_context({options.threads, options.row_invariant, options.compute_type});
    worker.search = std::make_unique<Search>(*worker.ctx, model, options.search);
    workers_.push_back(std::move(worker));
  }
}

Translator::~Translator() = default;
Translator::Translator(Translator&&) noexcept = default;

void Translator::translate(const std::vector<Ids>& sources, const std::vector<Ids>& prefixes,
                           const Found& found, std::uint64_t first_number) {
  assert(prefixes.empty() || prefixes.size() == sources.size());
  if (sources.empty()) return;
  // Splits a small input among all workers.
  const std::size_t share = (sources.size() + workers_.size() - 1) / workers_.size();
  const std::size_t slots = std::min(static_cast<std::size_t>(options_.mini_batch), share);
  const std::size_t tokens = max_tokens(options_);
  const std::size_t window = kWindowBatches * slots * workers_.size();
  Job job{sources, prefixes, found, first_number, slots, tokens, {sources, tokens, window},
          nullptr, {},       {}};

  Context& first = *workers_[0].ctx;
  const int own_threads = first.threads;
  // Only row-invariant results do not depend on the number of threads.
  if (sources.size() == 1 && workers_.size() > 1 && options_.row_invariant) {
    const int all = own_threads * static_cast<int>(workers_.size());
    if (!choice_) choice_ = std::make_unique<ThreadChoice>(own_threads, openmp_team(all));
    job.choice = choice_.get();
  }

  // The caller's thread is the first worker. Starts no more threads than there is work for, and
  // fewer if the system refuses to start more.
  const std::size_t busy = (sources.size() + slots - 1) / slots;
  std::vector<std::thread> others;
  try {
    for (std::size_t w = 1; w < std::min(workers_.size(), busy); ++w)
      others.emplace_back([&, w] { work(workers_[w], job); });
  } catch (const std::system_error&) {
  }
  work(workers_[0], job);
  for (std::thread& t : others) t.join();
  first.threads = own_threads;
  if (job.error) std::rethrow_exception(job.error);
}

void Translator::work(Worker& worker, Job& job) const {
  Search& search = *worker.search;
  const std::size_t part = options_.row_invariant ? kRefillPart : 1;
  const std::size_t most_active = job.slots - std::max<std::size_t>(1, job.slots / part);
  const std::size_t most_tokens = job.tokens - job.tokens / part;
  const DecodeClockScope timed(times_phases_ ? &search.clock() : nullptr);
  try {
    for (;;) {
      if (job.choice) worker.ctx->threads = job.choice->threads();
      const std::size_t tokens = search.active_source_tokens();
      if (search.active() <= most_active && tokens <= most_tokens) {
        std::vector<SearchRequest> requests;
        for (const std::size_t i : job.queue.take(job.slots - search.active(), tokens))
          requests.push_back(
              {i, job.sources[i], job.prefixes.empty() ? Ids{} : job.prefixes[i], job.first + i});
        if (!requests.empty()) search.admit(std::move(requests));
      }
      if (search.active() == 0) return;
      const auto start = std::chrono::steady_clock::now();
      search.step();
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      if (job.choice) job.choice->step_took(took.count());
      for (SearchResult& result : search.take_finished())
        job.found(result.number, std::move(result.hypotheses));
    }
  } catch (...) {
    search.clear();
    job.queue.close();
    const std::lock_guard lock(job.error_mutex);
    if (!job.error) job.error = std::current_exception();
  }
}

DecodeTimes Translator::times() const {
  DecodeTimes sum;
  for (const Worker& worker : workers_) sum += worker.search->clock().times();
  return sum;
}

std::vector<NBest> Translator::translate(const std::vector<Ids>& sources,
                                         const std::vector<Ids>& prefixes) {
  std::vector<NBest> result(sources.size());
  translate(sources, prefixes,
            [&](std::size_t i, NBest hypotheses) { result[i] = std::move(hypotheses); });
  return result;
}

}  // namespace switchyard
