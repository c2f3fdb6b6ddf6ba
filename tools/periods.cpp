// SPDX-License-Identifier: Apache-2.0
#include "tools/periods.h"

#include <algorithm>
#include <array>

#include "src/core/error.h"
#include "tools/option.h"

namespace switchyard {

namespace {

constexpr std::int64_t kMost = std::int64_t{1} << 40;

// "50Ku" -> 50000 and "u". Digits, an optional K, M or G, the rest.
std::int64_t parse_count(const std::string& option, const std::string& text, std::string& unit) {
  std::size_t i = 0;
  std::int64_t count = 0;
  while (i < text.size() && text[i] >= '0' && text[i] <= '9' && count < kMost)
    count = count * 10 + (text[i++] - '0');
  const bool digits = i > 0;
  if (i < text.size()) {
    const std::size_t power = std::string("KMG").find(text[i]);
    if (power != std::string::npos) {
      constexpr std::array<std::int64_t, 3> kFactor = {1000, 1000'000, 1000'000'000};
      count = count > kMost / kFactor[power] ? kMost : count * kFactor[power];
      ++i;
    }
  }
  unit = text.substr(i);
  check(digits && count < kMost, ErrorKind::kUsage, "--", option, ": found '", escaped(text),
        "', expected a count below 2^40 with a unit, as in 100u or 50Ku");
  return count;
}

}  // namespace

StopRule parse_stop_rule(const std::string& option, const std::string& text) {
  StopRule rule;
  // If several limits are of one kind, the first one reached applies.
  const auto limit = [](std::int64_t& to, std::int64_t value) {
    to = to == 0 ? value : std::min(to, value);
  };
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string unit;
    const std::int64_t count = parse_count(option, text.substr(begin, end - begin), unit);
    check(count > 0, ErrorKind::kUsage, "--", option, ": found ", count, ", expected 1 or more");
    if (unit == "e") {
      limit(rule.epochs, count);
    } else if (unit == "u") {
      limit(rule.updates, count);
    } else if (unit == "t") {
      limit(rule.target_tokens, count);
    } else if (unit == "s") {
      limit(rule.seconds, count);
    } else if (unit == "m") {
      limit(rule.seconds, count * 60);
    } else if (unit == "h") {
      limit(rule.seconds, count * 3600);
    } else {
      fail(ErrorKind::kUsage, "--", option, ": found '", escaped(text),
           "', expected units e (epochs), u (updates), t (target tokens), s, m or h");
    }
    begin = end + 1;
  }
  return rule;
}

Frequency parse_frequency(const std::string& option, const std::string& text) {
  Frequency frequency;
  std::string unit;
  frequency.count = parse_count(option, text, unit);
  check(unit.empty() || unit == "u" || unit == "e", ErrorKind::kUsage, "--", option, ": found '",
        escaped(text), "', expected a unit of u (updates) or e (epochs)");
  check(frequency.count > 0, ErrorKind::kUsage, "--", option, ": found 0, expected 1 or more");
  frequency.unit = unit == "e" ? Frequency::kEpochs : Frequency::kUpdates;
  return frequency;
}

std::int64_t parse_updates(const std::string& option, const std::string& text) {
  std::string unit;
  const std::int64_t count = parse_count(option, text, unit);
  check(unit.empty() || unit == "u", ErrorKind::kUsage, "--", option, ": found '", escaped(text),
        "', expected updates, as in 4000u");
  return count;
}

std::string spelled(const StopRule& rule) {
  Values limits;
  const auto add = [&](std::int64_t count, char unit) {
    if (count > 0) limits.push_back(std::to_string(count) + unit);
  };
  add(rule.epochs, 'e');
  add(rule.updates, 'u');
  add(rule.target_tokens, 't');
  add(rule.seconds, 's');
  return joined(limits, ",");
}

std::string spelled(const Frequency& frequency) {
  return std::to_string(frequency.count) + (frequency.unit == Frequency::kEpochs ? 'e' : 'u');
}

}  // namespace switchyard
