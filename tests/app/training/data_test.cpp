// SPDX-License-Identifier: Apache-2.0
#include "src/app/training/data.h"

#include <algorithm>
#include <set>
#include <string>

#include "src/core/error.h"
#include "tests/support/catch.h"

namespace switchyard {
namespace {

// Every tenth pair is long, the others are short, and no two are equal.
ParallelText periodic_text(int pairs) {
  ParallelText text;
  for (int i = 0; i < pairs; ++i) {
    const std::string number = std::to_string(i);
    text.source.push_back(number + (i % 10 == 0 ? " a long sentence" : ""));
    text.target.push_back(number);
  }
  return text;
}

std::int64_t long_lines(const ParallelText& text) {
  return std::count_if(text.source.begin(), text.source.end(),
                       [](const std::string& line) { return line.ends_with("sentence"); });
}

TEST_CASE("the held-out pairs are drawn by the seed") {
  ParallelText train = periodic_text(1000);
  const ParallelText valid = hold_out(train, 1);
  CHECK(valid.source.size() == 100);
  CHECK(train.source.size() == 900);
  // 10 of 100 are expected; the hypergeometric distribution has a standard deviation of 2.8.
  CHECK(long_lines(valid) >= 1);
  CHECK(long_lines(valid) <= 24);
  for (std::size_t i = 0; i < valid.source.size(); ++i)
    CHECK(valid.source[i].starts_with(valid.target[i]));

  ParallelText again = periodic_text(1000);
  CHECK(hold_out(again, 1).source == valid.source);
  CHECK(again.source == train.source);
  ParallelText other = periodic_text(1000);
  CHECK(hold_out(other, 2).source != valid.source);

  ParallelText large = periodic_text(20'000);
  CHECK(hold_out(large, 1).source.size() == 1000);
}

TEST_CASE("no pair is both held out and trained on") {
  ParallelText train;
  for (int copy = 0; copy < 3; ++copy) {
    for (int i = 0; i < 100; ++i) {
      train.source.push_back(std::to_string(i % 50));  // with two translations each
      train.target.push_back(std::to_string(i));
    }
  }
  const ParallelText valid = hold_out(train, 7);
  CHECK(valid.source.size() == 10);
  CHECK(train.source.size() == 3 * 90);
  const std::set<std::string> held(valid.target.begin(), valid.target.end());
  CHECK(held.size() == 10);
  for (const std::string& target : train.target) CHECK(held.count(target) == 0);
}

TEST_CASE("too few pairs to hold some out") {
  ParallelText nine = periodic_text(9);
  CHECK_THROWS_AS(hold_out(nine, 1), Error);
  ParallelText equal{std::vector<std::string>(20, "a"), std::vector<std::string>(20, "b")};
  CHECK_THROWS_AS(hold_out(equal, 1), Error);
  ParallelText two = equal;
  two.target.back() += 'c';
  CHECK(hold_out(two, 1).source.size() == 1);
}

}  // namespace
}  // namespace switchyard
