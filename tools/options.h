// SPDX-License-Identifier: Apache-2.0
// The command line of all tools. Each call that adds an option adds a row to the table (option.h).
// Options fill variables (fields of a config struct) and take their defaults from them.
//   --name value, --name=value; _ may stand for - in a name; a list takes several values, separated
//   by spaces or in repeated options; no abbreviations. Every tool has -c/--config FILE.yml (the
//   same names; relative paths are relative to the file; the command line overrides it),
//   --threads, -q/--quiet, and options that print something and exit: -h/--help, --help-all,
//   --version, --build-info, --man-page, --completion bash.
// All mistakes are Error(kUsage) naming the option, what was found and what was expected.
//
//   Config config;
//   Options options({.name = "switch-train", .usage = "--model DIR [options]"});
//   options.group("Model");
//   options.path("model,m", config.model, "DIR", "directory for the model");
//   options.number("d-model", config.d_model, 1, 65536, "width of the model");
//   if (!options.parse(argc, argv)) return 0;   // --help or another option that prints and exits
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "src/core/log.h"
#include "tools/number.h"
#include "tools/option.h"
#include "tools/run.h"

namespace switchyard {

// The number of values that a list takes.
struct Count {
  std::size_t min = 1;
  std::size_t max = SIZE_MAX;
};

// Names and the values they stand for.
template <class T>
using Choices = std::vector<std::pair<std::string, T>>;

class Options {
 public:
  explicit Options(Tool tool);

  // Lists the options added next under this heading in --help.
  void group(std::string title) { group_ = std::move(title); }

  // `name` is "long" or "long,s". Each variable keeps its value if the option is not given.
  void flag(std::string_view name, bool& value, std::string help);  // --name, --name=false
  // A flag that inverts its variable for this run only: not a setting, so to_yaml() omits it.
  void action(std::string_view name, bool& value, std::string help);
  // --name sets `implied`, --name=N or --name N sets N.
  void flag_number(std::string_view name, std::int64_t& value, std::int64_t implied,
                   std::int64_t min, std::int64_t max, std::string help);
  // A choice that has "true", which --name alone sets.
  template <class T>
  void flag_choice(std::string_view name, T& value, Choices<std::type_identity_t<T>> allowed,
                   std::string help);
  void text(std::string_view name, std::string& value, std::string metavar, std::string help);
  void path(std::string_view name, std::filesystem::path& value, std::string metavar,
            std::string help);
  void choice(std::string_view name, std::string& value, const Values& allowed, std::string help);
  // One of several names; the default is the first one that stands for the variable's value.
  template <class T>
  void choice(std::string_view name, T& value, Choices<std::type_identity_t<T>> allowed,
              std::string help);
  // See parse_number for types and spelling.
  template <class T>
  void number(std::string_view name, T& value, std::type_identity_t<T> min,
              std::type_identity_t<T> max, std::string help);
  template <class T>
  void number(std::string_view name, std::optional<T>& value, std::type_identity_t<T> min,
              std::type_identity_t<T> max, std::string help);
  // A text that `parse` understands; it receives the option's name for error messages. `spelled` is
  // the text of the default. to_yaml() reproduces a given text verbatim.
  template <class T>
  void parsed(std::string_view name, T& value,
              std::type_identity_t<std::function<T(const std::string&, const std::string&)>> parse,
              std::string spelled, std::string metavar, std::string help);

  // Lists; given values replace the default.
  void paths(std::string_view name, std::vector<std::filesystem::path>& values, std::string metavar,
             std::string help, Count count = {});
  void choices(std::string_view name, Values& values, Values allowed, std::string help);
  template <class T>
  void numbers(std::string_view name, std::vector<T>& values, std::type_identity_t<T> min,
               std::type_identity_t<T> max, std::string help, Count count = {});
  // A list of texts that `parse` understands, as in parsed().
  template <class T>
  void parsed_list(
      std::string_view name, std::vector<T>& values,
      std::type_identity_t<std::function<T(const std::string&, const std::string&)>> parse,
      std::string metavar, std::string help);
  // A list with a variable for each number; those beyond `at_least` are optional and default to 0.
  void numbers(std::string_view name, std::vector<float*> values, float min, float max,
               std::string help, std::size_t at_least);

  // A choice of presets: parse() takes options given neither on the command line nor in a config
  // file from yaml_of(value).
  void preset(std::string_view name, std::string& value, const Values& allowed,
              std::string (*yaml_of)(const std::string&), std::string help);

  // Arguments without an option name go to this list, which must be one of paths().
  void positional(std::string_view name);
  // Another spelling: alias("--lr", "learn-rate"), alias("-lc", "lowercase").
  void alias(std::string spelling, std::string_view name);

  // Returns false if --help or the like was given and has been printed: the tool then exits with 0.
  // Sets the number of threads and the log level. If run at a terminal without any argument, prints
  // the help before throwing Error(kUsage).
  bool parse(int argc, const char* const* argv);

  // Sets options that are not given from this YAML text (a preset), called `shown` in messages.
  // Does not change given().
  void fill(const std::string& yaml, const std::string& shown);

  // True if the option, which must exist, was given on the command line or in a config file.
  bool given(std::string_view name) const { return option_named(table_, name).given; }
  // Error(kUsage) if an option given on the command line itself has no effect; `why` explains it.
  void check_unused(std::string_view name, const std::string& why) const;
  // Removes an option without effect from the settings, since its value would mislead.
  void leave_out(std::string_view name) { named(name).get = nullptr; }
  // The number of threads to use: --threads or default_threads(), or fewer if OpenMP grants fewer.
  int threads() const { return threads_; }
  int requested_threads() const { return requested_threads_; }  // before OpenMP's limits
  // Every setting with its effective value, as a YAML file that --config reads; paths are absolute.
  std::string to_yaml() const;

 private:
  Option& add(std::string_view name, std::string metavar, std::string help);
  Option& named(std::string_view name);
  static void check_count(const std::string& name, const Values& values, Count count);
  void read_config(const std::filesystem::path& file);
  void apply(const std::map<std::string, Values>& found);
  // Returns the output of an option that prints and exits; empty if none is given.
  std::string asked_for(int argc, const char* const* argv) const;

  Tool tool_;
  OptionTable table_;
  std::string group_ = "Common";
  std::function<void()> fill_from_preset_;
  std::vector<std::filesystem::path> config_;
  int threads_ = 0, requested_threads_ = 0;
  LogLevel log_level_ = LogLevel::kInfo;
  bool quiet_ = false;
};

template <class T>
void Options::number(std::string_view name, T& value, std::type_identity_t<T> min,
                     std::type_identity_t<T> max, std::string help) {
  Option& option = add(name, "N", std::move(help));
  option.set = [&value, min, max, key = option.name](const Values& v) {
    value = parse_number<T>(key, v.front(), min, max);
  };
  option.get = [&value] { return Values{number_text(value)}; };
}

template <class T>
void Options::number(std::string_view name, std::optional<T>& value, std::type_identity_t<T> min,
                     std::type_identity_t<T> max, std::string help) {
  Option& option = add(name, "N", std::move(help));
  option.set = [&value, min, max, key = option.name](const Values& v) {
    value = parse_number<T>(key, v.front(), min, max);
  };
  option.get = [&value] { return value ? Values{number_text(*value)} : Values{}; };
}

template <class T>
void Options::numbers(std::string_view name, std::vector<T>& values, std::type_identity_t<T> min,
                      std::type_identity_t<T> max, std::string help, Count count) {
  Option& option = add(name, "N...", std::move(help));
  option.is_list = true;
  option.set = [&values, min, max, count, key = option.name](const Values& v) {
    check_count(key, v, count);
    values.clear();
    for (const auto& text : v) values.push_back(parse_number<T>(key, text, min, max));
  };
  option.get = [&values] {
    Values v;
    for (const T value : values) v.push_back(number_text(value));
    return v;
  };
}

template <class T>
void Options::parsed(
    std::string_view name, T& value,
    std::type_identity_t<std::function<T(const std::string&, const std::string&)>> parse,
    std::string spelled, std::string metavar, std::string help) {
  Option& option = add(name, std::move(metavar), std::move(help));
  const auto text = std::make_shared<std::string>(std::move(spelled));
  option.set = [&value, parse = std::move(parse), text, key = option.name](const Values& v) {
    value = parse(key, v.front());
    *text = v.front();
  };
  option.get = [text] { return Values{*text}; };
}

template <class T>
void Options::parsed_list(
    std::string_view name, std::vector<T>& values,
    std::type_identity_t<std::function<T(const std::string&, const std::string&)>> parse,
    std::string metavar, std::string help) {
  Option& option = add(name, std::move(metavar), std::move(help));
  option.is_list = true;
  const auto texts = std::make_shared<Values>();
  option.set = [&values, parse = std::move(parse), texts, key = option.name](const Values& v) {
    values.clear();
    for (const std::string& text : v) values.push_back(parse(key, text));
    *texts = v;
  };
  option.get = [texts] { return *texts; };
}

template <class T>
void Options::flag_choice(std::string_view name, T& value, Choices<std::type_identity_t<T>> allowed,
                          std::string help) {
  choice(name, value, std::move(allowed), std::move(help));
  Option& option = table_.back();
  option.metavar = "[=" + option.metavar + "]";
  option.is_flag = true;
}

template <class T>
void Options::choice(std::string_view name, T& value, Choices<std::type_identity_t<T>> allowed,
                     std::string help) {
  Values names;
  std::string spelled;
  for (const auto& [choice, meaning] : allowed) {
    if (spelled.empty() && meaning == value) spelled = choice;
    names.push_back(choice);
  }
  const auto parse = [names, allowed = std::move(allowed)](const std::string& option,
                                                           const std::string& text) {
    check_choice(option, text, names);
    return std::find_if(allowed.begin(), allowed.end(),
                        [&](const auto& choice) { return choice.first == text; })
        ->second;
  };
  parsed(name, value, parse, spelled, joined(names, "|"), std::move(help));
  table_.back().choices = names;
}

}  // namespace switchyard
