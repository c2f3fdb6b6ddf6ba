// SPDX-License-Identifier: Apache-2.0
#include "bench/rotation.h"

#include <utility>

#include "src/backend/backend.h"

namespace switchyard::bench {

Rotation::Rotation(const std::vector<const Model*>& models, const TranslatorOptions& options)
    : options_(options) {
  for (const Model* model : models) {
    Copy copy;
    copy.ctx = make_context({options.threads, options.row_invariant, options.compute_type});
    copy.search = std::make_unique<Search>(*copy.ctx, *model, options.search);
    copies_.push_back(std::move(copy));
  }
}

std::vector<NBest> Rotation::translate(const std::vector<Ids>& sources) {
  std::vector<NBest> result(sources.size());
  std::size_t next = 0, found = 0;
  while (found < sources.size()) {
    for (Copy& copy : copies_) {
      Search& search = *copy.search;
      // The clocks of the other copies are stopped.
      const DecodeClockScope timed(times_phases_ ? &search.clock() : nullptr);
      if (search.active() == 0) admit(copy, sources, next);
      if (search.active() == 0) continue;
      search.step();
      for (SearchResult& one : search.take_finished()) {
        result[one.number] = std::move(one.hypotheses);
        ++found;
      }
    }
  }
  return result;
}

void Rotation::admit(Copy& copy, const std::vector<Ids>& sources, std::size_t& next) const {
  std::vector<SearchRequest> requests;
  while (next < sources.size() && std::ssize(requests) < options_.mini_batch) {
    requests.push_back({next, sources[next], {}});
    ++next;
  }
  if (!requests.empty()) copy.search->admit(std::move(requests));
}

DecodeTimes Rotation::times() const {
  DecodeTimes sum;
  for (const Copy& copy : copies_) sum += copy.search->clock().times();
  return sum;
}

}  // namespace switchyard::bench
