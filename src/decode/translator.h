// SPDX-License-Identifier: Apache-2.0
// Translator: translates many id sequences with one or more workers that share a queue. Each has a
// number of slots; as sentences finish, new ones take their slots, so that no step runs half empty.
// With row_invariant the result for a sequence is bit-identical whatever the numbers of slots and
// workers and the order of the sequences; a sample also depends on the sequence's number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "src/core/context.h"
#include "src/decode/search_options.h"
#include "src/nn/model.h"
#include "src/nn/phase.h"

namespace switchyard {

class Search;
class ThreadChoice;
class TranslationQueue;

struct TranslatorOptions {
  SearchOptions search;
  // Each worker is a thread with slots and a Context of its own; all share the weights.
  int workers = 1;
  // Inside one operation of one worker. A single sentence may get those of all workers, if that is
  // measured to be faster.
  int threads = 1;
  DType compute_type = DType::f32;  // f32, bf16 or i8; the model must be prepared for it
  // Maximum number of sentences that a worker holds at a time. Its source tokens are limited, too:
  // 32 per sentence on average, but at least 1,024 in all, or a single longer sentence.
  std::int64_t mini_batch = backend_defaults().translation_batch;
  // If false, a translation depends on the sentences it is searched with. These then form fixed
  // batches, without refilling, so that results do not depend on the timing of the workers.
  bool row_invariant = true;
};

class Translator {
 public:
  // `model` must outlive this. Its values may change between calls of translate(), but weights
  // prepared for a context like this one's must then be prepared again. Translates on the calling
  // thread and on threads of its own. Error(kUsage) naming an option that is out of range.
  Translator(const Model& model, const TranslatorOptions& options);
  ~Translator();
  Translator(Translator&&) noexcept;

  // Called on any worker's thread with the number of a source and its hypotheses, best first, as
  // soon as they are found. That source is not read again, so its ids may then be freed.
  using Found = std::function<void(std::size_t source, NBest hypotheses)>;

  // `sources`: ids with eos, none empty. `prefixes`: the ids that each translation begins with
  // (SearchRequest::prefix), or empty. The random numbers of source i are keyed by first + i.
  // Error(kData) if an id is not the model's or its logits are
  // not finite, Error(kUsage) if a prefix is too long or has eos. An exception of a worker, or of
  // found(), is rethrown after all workers have stopped. Memory depends on the longest sentences
  // being translated at a time, not on how many there are; workers keep it for the next call.
  void translate(const std::vector<Ids>& sources, const std::vector<Ids>& prefixes,
                 const Found& found, std::uint64_t first = 0);
  // Returns the hypotheses of each source.
  std::vector<NBest> translate(const std::vector<Ids>& sources,
                               const std::vector<Ids>& prefixes = {});

  const TranslatorOptions& options() const { return options_; }

  // Starts measuring the phases of later calls of translate(), for benchmarks.
  void time_phases() { times_phases_ = true; }
  // Returns the sums over all workers and calls. Must not be called while translate() runs.
  DecodeTimes times() const;

 private:
  struct Worker {
    std::unique_ptr<Context> ctx;
    std::unique_ptr<Search> search;
  };
  struct Job;
  void work(Worker& worker, Job& job) const;

  TranslatorOptions options_;
  std::unique_ptr<ThreadChoice> choice_;  // for single sentences; empty until the first one
  bool times_phases_ = false;
  std::vector<Worker> workers_;
};

}  // namespace switchyard
