// SPDX-License-Identifier: Apache-2.0
#include "tools/option.h"

#include <algorithm>
#include <cassert>

#include "src/core/error.h"
#include "tools/closest_name.h"
#include "tools/peer_options.h"

namespace switchyard {

namespace {

bool contains(const Values& values, std::string_view value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

std::string with_dashes(std::string text) {
  std::replace(text.begin(), text.end(), '_', '-');
  return text;
}

std::string advice(const OptionTable& table, std::string_view name, std::string_view value) {
  const auto has = [&](std::string_view option, std::string_view choice) {
    return std::any_of(table.begin(), table.end(), [&](const Option& o) {
      return o.name == option && (choice.empty() || contains(o.choices, choice));
    });
  };
  if (const std::string text = advice_for_peer_option(name, value, has); !text.empty()) return text;
  std::vector<std::string_view> names;
  for (const Option& option : table) names.push_back(option.name);
  const std::string_view closest = closest_name(name, names);
  return closest.empty() ? "--help-all lists every option"
                         : "did you mean --" + std::string(closest) + "?";
}

}  // namespace

std::string joined(const Values& values, const char* separator) {
  std::string all;
  for (const auto& v : values) all += (all.empty() ? "" : separator) + v;
  return all;
}

void check_choice(const std::string& name, const std::string& value, const Values& allowed) {
  check(contains(allowed, value), ErrorKind::kUsage, "--", name, ": found '", escaped(value),
        "', expected one of: ", joined(allowed, ", "));
}

const Option* find_option(const OptionTable& table, std::string spelling) {
  if (spelling.starts_with("--")) spelling = with_dashes(std::move(spelling));
  for (const Option& option : table)
    if (spelling == "--" + option.name ||
        (option.letter && spelling == std::string{'-', option.letter}) ||
        contains(option.aliases, spelling))
      return &option;
  return nullptr;
}

const Option& option_named(const OptionTable& table, std::string_view name) {
  const auto option =
      std::find_if(table.begin(), table.end(), [&](const Option& o) { return o.name == name; });
  assert(option != table.end());
  return *option;
}

void fail_unknown_option(const OptionTable& table, std::string_view spelling,
                         std::string_view value) {
  std::string_view name = spelling.substr(0, spelling.find('='));
  name.remove_prefix(std::min(name.find_first_not_of('-'), name.size()));
  fail(ErrorKind::kUsage, "unknown option '", escaped(spelling), "'; ",
       advice(table, with_dashes(std::string(name)), value));
}

}  // namespace switchyard
