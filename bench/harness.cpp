// SPDX-License-Identifier: Apache-2.0
#include "bench/harness.h"

#include <sys/resource.h>

#include <algorithm>
#include <cassert>
#include <sstream>

#include "tools/run.h"

namespace switchyard::bench {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kWidth = 10;  // of a number, including the space before it

// A timing is not accurate to more than four digits.
std::string cell(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_number_float()) return value.dump();
  std::ostringstream text;
  const double x = value;
  if (x >= 1000) {
    text << static_cast<std::int64_t>(x + 0.5);
  } else {
    text.precision(4);
    text << x;
  }
  return text.str();
}

}  // namespace

double quantile(std::vector<double> samples, double q) {
  assert(!samples.empty());
  std::sort(samples.begin(), samples.end());
  return samples[static_cast<std::size_t>(q * static_cast<double>(samples.size() - 1) + 0.5)];
}

std::int64_t peak_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;  // Linux counts in KiB
}

void print_result(const Json& result, bool json) {
  if (json) {
    write_stdout(result.dump() + "\n");
  } else {
    for (const auto& [name, value] : result.items())
      write_stdout(name + ": " + value.dump() + "\n");
  }
  flush_stdout();
}

Table::Table(Json about, bool json, std::size_t name_width)
    : result_(std::move(about)), json_(json), name_width_(name_width) {
  if (!json) print_result(result_, false);
  result_["rows"] = Json::array();
}

void Table::add(const Json& row) {
  result_["rows"].push_back(row);
  if (json_) return;
  std::string names, values;
  for (const auto& [name, value] : row.items()) {
    const std::string shown = cell(value);
    if (values.empty()) {
      names = name + std::string(name_width_ - std::min(name_width_, name.size()), ' ');
      values = shown + std::string(name_width_ - std::min(name_width_, shown.size()), ' ');
      continue;
    }
    const std::size_t width = std::max({kWidth, name.size() + 2, shown.size() + 1});
    names += std::string(width - name.size(), ' ') + name;
    values += std::string(width - shown.size(), ' ') + shown;
  }
  if (result_["rows"].size() == 1) write_stdout("\n" + names + "\n");
  write_stdout(values + "\n");
  flush_stdout();
}

void Table::finish() {
  if (json_) print_result(result_, true);
}

}  // namespace switchyard::bench
