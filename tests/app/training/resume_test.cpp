// SPDX-License-Identifier: Apache-2.0
// What a resumed run may change.
#include "src/app/training/resume.h"

#include "src/core/error.h"
#include "tests/support/catch.h"

namespace switchyard {
namespace {

using Changes = std::vector<std::string>;

TEST_CASE("settings that do not affect what is computed may change, others may not") {
  const std::string was =
      "seed: 1\nthreads: 2\nworkers: 2\ndisp-freq: 1u\ntrain-sets: [a, b]\nafter: 2e\n";
  CHECK(changed_settings(was, was, "").empty());
  CHECK(changed_settings(was,
                         "seed: 1\nthreads: 4\nworkers: 1\ndisp-freq: 5u\ntrain-sets: [c, d]\n"
                         "after: 4e\n",
                         "")
            .empty());
  CHECK(changed_settings(was, "seed: 2\ndropout: 0.1\n", "") ==
        Changes{"--dropout: was not given, now 0.1", "--seed: was 1, now 2"});
}

TEST_CASE("a run may end later unless a linear schedule ends there") {
  const auto changes = [](const std::string& schedule) {
    const std::string settings = "lr-schedule: " + schedule + "\nafter: ";
    return changed_settings(settings + "100u\n", settings + "200u\n", "");
  };
  CHECK(changes("inv-sqrt").empty());
  CHECK(changes("constant").empty());
  CHECK(changes("linear") == Changes{"--after: was 100u, now 200u"});
}

TEST_CASE("a setting that did not exist yet had its default") {
  CHECK(changed_settings("seed: 1\n", "seed: 1\ndropout: 0.1\n", "dropout: 0.1\n").empty());
  CHECK(changed_settings("seed: 1\n", "seed: 1\ndropout: 0.2\n", "dropout: 0.1\n") ==
        Changes{"--dropout: was 0.1, now 0.2"});
  CHECK(changed_settings("seed: 1\nfreeze: [a]\n", "seed: 1\n", "") ==
        Changes{"--freeze: was [a], now not given"});
  CHECK_THROWS_AS(changed_settings("[1, 2]", "seed: 1\n", ""), Error);
}

TEST_CASE("vocabulary, texts and compute type must be the checkpoint's") {
  TrainingState saved;
  saved.tokenizer_hash = 1, saved.train_hash = 2, saved.valid_hash = 3;
  saved.compute_type = "float32";
  const auto kind = [&](const TrainingState& now) {
    try {
      check_same_inputs("run", saved, now);
      return 0;
    } catch (const Error& e) {
      CHECK(std::string(e.what()).find("run: ") == 0);
      return static_cast<int>(e.kind());
    }
  };
  CHECK(kind(saved) == 0);
  for (std::uint64_t TrainingState::*hash :
       {&TrainingState::tokenizer_hash, &TrainingState::train_hash, &TrainingState::valid_hash}) {
    TrainingState now = saved;
    now.*hash = 7;
    CHECK(kind(now) == static_cast<int>(ErrorKind::kData));
  }
  TrainingState now = saved;
  now.compute_type = "bfloat16";
  CHECK(kind(now) == static_cast<int>(ErrorKind::kUsage));
  // Where a run stands does not matter.
  now = saved;
  now.counters.update = 5;
  CHECK(kind(now) == 0);
}

TEST_CASE("with --mini-batch-fit the size of batches is the checkpoint's") {
  TrainingOptions options;
  options.mini_batch_words = 4096;
  TrainingState resumed;
  resumed.mini_batch_words = 1234;
  CHECK(batch_words(options, resumed) == 4096);
  options.mini_batch_fit = true;
  CHECK(batch_words(options, resumed) == 1234);
  CHECK(batch_words(options, {}) == 0);
}

}  // namespace
}  // namespace switchyard
