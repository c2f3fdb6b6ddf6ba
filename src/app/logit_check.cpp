// SPDX-License-Identifier: Apache-2.0
#include "src/app/logit_check.h"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <utility>
#include <vector>

#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/core/host_batch.h"
#include "src/io/hf.h"

namespace switchyard {

namespace {

constexpr double kTolerance = 0.125;

// Pairs of sequences of several lengths, with ids from the whole vocabulary.
HostBatch fixed_batch(const ModelConfig& config) {
  HostBatch batch;
  std::int64_t id = 2;
  const auto sequence = [&](std::int64_t length) {
    Ids ids;
    while (static_cast<std::int64_t>(ids.size()) < length - 1) {
      ids.push_back(static_cast<std::int32_t>(id % config.vocab_size));
      id = (id * 5 + 7919) % (std::int64_t{1} << 31);
    }
    ids.push_back(static_cast<std::int32_t>(config.eos_token_id));
    return ids;
  };
  for (const auto& [source, target] : {std::pair(1, 2), std::pair(9, 7), std::pair(24, 16)}) {
    batch.source.push_back(sequence(source));
    batch.target.push_back(sequence(target));
    batch.sentence.push_back(static_cast<std::uint32_t>(batch.sentence.size()));
  }
  return batch;
}

std::vector<float> fixed_logits(Context& ctx, const LoadedModel& loaded) {
  const Model& model = *loaded.model;
  const ArenaScope scope(ctx.saved);
  const Batch batch = upload_batch(ctx, ctx.saved, fixed_batch(model.config()), model.config());
  const View logits = model.logits(ctx, {}, batch);
  std::vector<float> host(static_cast<std::size_t>(logits.size()));
  download(ctx, logits, host.data(), logits.size());
  return host;
}

}  // namespace

std::string compare_logits(Context& ctx, ModelFiles source, const std::filesystem::path& converted,
                           bool exact) {
  const std::vector<float> expected = fixed_logits(ctx, load_opened_model(ctx, std::move(source)));
  const std::vector<float> found = fixed_logits(ctx, load_model(ctx, converted));
  check(found.size() == expected.size(), ErrorKind::kData, "verification: ", found.size(),
        " logits, expected ", expected.size());
  double largest = 0, largest_logit = 0, squares = 0, squares_of_logits = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    check(std::isfinite(found[i]) && std::isfinite(expected[i]), ErrorKind::kData,
          "verification: logits are not finite");
    const double difference = std::fabs(double{found[i]} - expected[i]);
    largest = std::max(largest, difference);
    largest_logit = std::max(largest_logit, std::fabs(double{expected[i]}));
    squares += difference * difference;
    squares_of_logits += double{expected[i]} * expected[i];
  }
  std::ostringstream line;
  line << "verified: " << with_commas(std::ssize(found)) << " logits";
  if (largest == 0) {
    line << ", all identical";
    return line.str();
  }
  const double relative = std::sqrt(squares / squares_of_logits);
  line << ", the largest difference is " << largest << " (the largest logit " << largest_logit
       << "); root mean square " << relative << " of the logits'";
  const double tolerance = exact ? 0 : kTolerance;
  if (!(relative <= tolerance))
    fail(ErrorKind::kData, line.str(), ", expected at most ", tolerance);
  line << ", at most " << tolerance << " is allowed";
  return line.str();
}

}  // namespace switchyard
