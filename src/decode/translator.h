// SPDX-License-Identifier: Apache-2.0
// Translator: many id sequences, searched by one or several workers that share a queue. Each has a
// number of slots; as sentences finish, the next ones take theirs, so that no step runs half empty.
// With row_invariant the result of a sequence is bit-identical whatever the number of slots, the
// order and the number of workers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "src/core/context.h"
#include "src/decode/search_options.h"
#include "src/nn/model.h"

namespace switchyard {

class Search;
class TranslationQueue;

struct TranslatorOptions {
  SearchOptions search;
  // Each worker is a thread with slots and a Context of its own; all share the weights.
  int workers = 1;
  int threads = 1;  // inside one operation of one worker
  // Sentences that a worker has at a time, at most.
  std::int64_t mini_batch = backend_defaults().translation_batch;
  // Without it a translation depends on the sentences that it is searched with. These are then
  // fixed batches, not refilled ones, so that results do not depend on the workers' timing.
  bool row_invariant = true;
};

class Translator {
 public:
  // `model` must outlive this. Its values may change between calls of translate(), but weights that
  // were prepared for a context like this one's must then be prepared again. Translates on the
  // thread that made this and on threads of its own. Error(kUsage) naming an option that is out of
  // range.
  Translator(const Model& model, const TranslatorOptions& options);
  ~Translator();
  Translator(Translator&&) noexcept;

  // Called with the number of a source and its hypotheses, best first, as soon as they are found,
  // by any worker's thread.
  using Found = std::function<void(std::size_t source, NBest hypotheses)>;

  // `sources`: ids with eos, none empty. `prefixes`: what the translation of each begins with
  // (SearchRequest::prefix), or empty. Error(kData) if an id is not the model's or its logits are
  // not finite, Error(kUsage) for a prefix that is too long or has eos. An Error of a worker, or of
  // found(), is thrown after all workers have stopped. What memory the workers take depends on the
  // longest sentences that they have at a time; they keep it for the next call.
  void translate(const std::vector<Ids>& sources, const std::vector<Ids>& prefixes,
                 const Found& found);
  // The hypotheses of each source.
  std::vector<NBest> translate(const std::vector<Ids>& sources,
                               const std::vector<Ids>& prefixes = {});

  const TranslatorOptions& options() const { return options_; }

 private:
  struct Worker {
    std::unique_ptr<Context> ctx;
    std::unique_ptr<Search> search;
  };
  struct Job;
  void work(Search& search, Job& job) const;

  TranslatorOptions options_;
  std::vector<Worker> workers_;
};

}  // namespace switchyard
