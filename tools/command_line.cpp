// SPDX-License-Identifier: Apache-2.0
#include "tools/command_line.h"

#include <algorithm>
#include <boost/program_options.hpp>

#include "src/core/error.h"

namespace switchyard {

namespace {

namespace po = boost::program_options;

constexpr const char* kUnnamed = "unnamed argument";

bool looks_like_option(const std::string& argument) {
  if (argument.size() < 2 || argument[0] != '-') return false;
  return argument[1] != '.' && (argument[1] < '0' || argument[1] > '9');  // a negative number
}

// Boost calls this for each argument. Takes an option's name off the front, together with its value
// if that is attached. Boost's own styles reject `--name=`, let a flag that may have a value
// consume the next argument, and take `--quiet` in `--threads --quiet` for a value; they know
// neither underscores nor `-lc`.
std::vector<po::option> take_option(const OptionTable& table, Values& arguments) {
  const std::string argument = arguments.front();
  if (!looks_like_option(argument) || argument == "--") return {};
  const auto equals = argument.find('=');
  const bool attached = equals != std::string::npos;
  const std::string next = arguments.size() > 1 ? arguments[1] : "--";
  const Option* option = find_option(table, argument.substr(0, equals));
  if (!option) fail_unknown_option(table, argument, attached ? argument.substr(equals + 1) : next);
  po::option taken;
  taken.string_key = option->name;
  taken.original_tokens = {argument};
  const bool number_follows =
      option->is_count && !next.empty() && next.find_first_not_of("0123456789") == next.npos;
  if (attached)
    taken.value = {argument.substr(equals + 1)};
  else if (option->is_flag && !number_follows)
    taken.value = {"true"};
  else
    check(!looks_like_option(next), ErrorKind::kUsage, "--", option->name,
          ": a value is missing, expected ", option->metavar);
  arguments.erase(arguments.begin());
  return {taken};
}

// Rejects an argument without a name after a list: it has become one more value of that list.
void check_order(const Tool& tool, const OptionTable& table,
                 const std::map<std::string, Values>& found) {
  const auto positional =
      std::find_if(table.begin(), table.end(), [](const Option& o) { return o.is_positional; });
  if (positional == table.end() || found.count(positional->name) > 0) return;
  for (const auto& [name, values] : found) {
    const Option& option = option_named(table, name);
    if (!option.is_list || option.choices.empty()) continue;
    for (const std::string& value : values)
      check(std::count(option.choices.begin(), option.choices.end(), value) > 0, ErrorKind::kUsage,
            "--", name, ": found '", escaped(value),
            "', expected one of: ", joined(option.choices, ", "),
            "; a file name must come first: ", tool.name, " ", tool.usage);
  }
}

}  // namespace

std::map<std::string, Values> parse_command_line(const Tool& tool, const OptionTable& table,
                                                 int argc, const char* const* argv) {
  po::options_description description;
  // If no option takes arguments without a name, collects them for the error message.
  std::string unnamed = kUnnamed;
  for (const Option& option : table) {
    auto value = po::value<Values>();
    description.add_options()(option.name.c_str(), option.is_list ? value->multitoken() : value,
                              "");
    if (option.is_positional) unnamed = option.name;
  }
  if (unnamed == kUnnamed) description.add_options()(kUnnamed, po::value<Values>(), "");
  po::positional_options_description positional;
  positional.add(unnamed.c_str(), -1);

  std::map<std::string, Values> found;
  try {
    const auto parsed =
        po::command_line_parser(Values(argv + std::min(argc, 1), argv + argc))
            .options(description)
            .positional(positional)
            .style(po::command_line_style::allow_long | po::command_line_style::long_allow_next)
            .extra_style_parser([&](Values& arguments) { return take_option(table, arguments); })
            .run();
    for (const auto& option : parsed.options) {
      Values& values = found[option.string_key];
      values.insert(values.end(), option.value.begin(), option.value.end());
    }
  } catch (const po::error& e) {
    fail(ErrorKind::kUsage, e.what());
  }
  if (const auto stray = found.find(kUnnamed); stray != found.end())
    fail(ErrorKind::kUsage, "'", escaped(stray->second.front()),
         "': unexpected argument, expected: ", tool.name, " ", tool.usage);
  check_order(tool, table, found);
  return found;
}

}  // namespace switchyard
