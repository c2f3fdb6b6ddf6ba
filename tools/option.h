// SPDX-License-Identifier: Apache-2.0
// The table of a tool's options, from which parsing, --help, the manual page, shell completion and
// YAML are derived.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace switchyard {

using Values = std::vector<std::string>;

// A tool's description of itself.
struct Tool {
  std::string name;
  std::string usage;  // follows the name on the first line of --help
  std::string about;  // what it does: below the usage, and after the name in the manual page
  // Shown by --help together with the examples, on one screen; if empty, --help shows all options.
  Values essentials = {};
  Values examples = {};
  // The files in its directory DIR and their contents, for --help-all and the manual page.
  std::vector<std::pair<std::string, std::string>> files = {};
  std::string (*backend)() = nullptr;  // describes the backend it is linked with
};

struct Option;
using OptionTable = std::vector<Option>;

struct Option {
  std::string name;            // without dashes
  std::string metavar;         // its value in --help: "FILE"
  std::string help;            // what it does, in one line
  std::string group;           // its heading in --help-all
  char letter = 0;             // the short form; 0: none
  Values aliases = {};         // further spellings, with their dashes
  Values choices = {};         // the allowed values; empty: any
  bool is_flag = false;        // --name alone means --name=true
  bool is_count = false;       // a flag that a number may follow
  bool is_list = false;        // takes several values, separated by spaces or in repeated options
  bool is_path = false;        // names files
  bool is_positional = false;  // takes the arguments without a name

  // Parses the values into their variable; Error(kUsage) names the option. Null: nothing to set.
  std::function<void(const Values&)> set = nullptr;
  // The current value, empty if there is none. Null: not a setting.
  std::function<Values()> get = nullptr;
  // Returns what the tool prints, instead of doing its work, if this option is given.
  std::string (*print)(const Tool&, const OptionTable&) = nullptr;

  bool given = false;            // on the command line or in a config file
  bool on_command_line = false;  // on the command line itself
};

// Joins {"a", "b"} with ", " into "a, b".
std::string joined(const Values& values, const char* separator);

// Error(kUsage) if `value` is not one of `allowed`.
void check_choice(const std::string& name, const std::string& value, const Values& allowed);

// Returns the option spelled "--name", "-n" or as one of its aliases, where an underscore may stand
// for a dash; nullptr if there is none.
const Option* find_option(const OptionTable& table, std::string spelling);

// Returns the option called `name`, which must exist.
const Option& option_named(const OptionTable& table, std::string_view name);

// Error(kUsage) saying that `spelling` is unknown, with advice: the equivalent of a name that other
// programs use, or a similarly spelled option. `value`, which may be empty, is the value given with
// it and completes the advice.
[[noreturn]] void fail_unknown_option(const OptionTable& table, std::string_view spelling,
                                      std::string_view value);

}  // namespace switchyard
