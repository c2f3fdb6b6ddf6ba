// SPDX-License-Identifier: Apache-2.0
// The command line of all tools. Each line that adds an option adds a row to the table (option.h);
// the options fill variables (fields of a config struct) and take their defaults from them.
//   --name value, --name=value; _ may stand for - in a name; a list takes several values, by spaces
//   or repetition; no abbreviations. Every tool has -c/--config FILE.yml (the same names; relative
//   paths in it are relative to it; the command line overrides it), --threads, -q/--quiet, and
//   those that print something and exit: -h/--help, --help-all, --version, --build-info,
//   --man-page, --completion bash.
// All mistakes are Error(kUsage) that name the option, what was found and what was expected.
//
//   Config config;
//   Options options({.name = "switch-train", .usage = "--model DIR [options]"});
//   options.group("Model");
//   options.path("model,m", config.model, "DIR", "where the model is written");
//   options.number("d-model", config.d_model, 1, 65536, "width of the model");
//   if (!options.parse(argc, argv)) return 0;   // --help or another that prints and exits
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

// How many values a list takes.
struct Count {
  std::size_t min = 1;
  std::size_t max = SIZE_MAX;
};

// Names and what they stand for.
template <class T>
using Choices = std::vector<std::pair<std::string, T>>;

class Options {
 public:
  explicit Options(Tool tool);

  // The options added next stand under this heading in --help.
  void group(std::string title) { group_ = std::move(title); }

  // `name` is "long" or "long,s". Each variable keeps its value if the option is not given.
  void flag(std::string_view name, bool& value, std::string help);  // --name, --name=false
  // A flag that inverts its variable for this run alone: no setting, so to_yaml() leaves it out.
  void action(std::string_view name, bool& value, std::string help);
  // --name sets `implied`, --name=N or --name N sets N.
  void flag_number(std::string_view name, std::int64_t& value, std::int64_t implied,
                   std::int64_t min, std::int64_t max, std::string help);
  void text(std::string_view name, std::string& value, std::string metavar, std::string help);
  void path(std::string_view name, std::filesystem::path& value, std::string metavar,
            std::string help);
  void choice(std::string_view name, std::string& value, const Values& allowed, std::string help);
  // One of several names; the first one that stands for the variable's value is the default.
  template <class T>
  void choice(std::string_view name, T& value, Choices<std::type_identity_t<T>> allowed,
              std::string help);
  // Types and spelling: see parse_number.
  template <class T>
  void number(std::string_view name, T& value, std::type_identity_t<T> min,
              std::type_identity_t<T> max, std::string help);
  template <class T>
  void number(std::string_view name, std::optional<T>& value, std::type_identity_t<T> min,
              std::type_identity_t<T> max, std::string help);
  // A text that `parse` understands; it gets the option's name for its errors. `spelled` is the
  // text of the default. to_yaml() repeats a text that was given as it was given.
  template <class T>
  void parsed(std::string_view name, T& value,
              std::type_identity_t<std::function<T(const std::string&, const std::string&)>> parse,
              std::string spelled, std::string metavar, std::string help);

  // Lists; what is given replaces the default.
  void paths(std::string_view name, std::vector<std::filesystem::path>& values, std::string metavar,
             std::string help, Count count = {});
  void choices(std::string_view name, Values& values, Values allowed, std::string help);
  template <class T>
  void numbers(std::string_view name, std::vector<T>& values, std::type_identity_t<T> min,
               std::type_identity_t<T> max, std::string help, Count count = {});
  // A list with a variable for each number; those beyond `at_least` may be left out and become 0.
  void numbers(std::string_view name, std::vector<float*> values, float min, float max,
               std::string help, std::size_t at_least);

  // A choice of presets: parse() takes from yaml_of(value) what neither the command line nor a
  // config file gives.
  void preset(std::string_view name, std::string& value, const Values& allowed,
              std::string (*yaml_of)(const std::string&), std::string help);

  // Arguments without an option's name go to this list, as "--name" is one of paths().
  void positional(std::string_view name);
  // Another spelling: alias("--lr", "learn-rate"), alias("-lc", "lowercase").
  void alias(std::string spelling, std::string_view name);

  // Returns false if --help or the like was asked for and has been printed: the tool exits with 0.
  // Sets the number of threads and the log level. Without any argument, at a terminal, the help is
  // printed before the Error(kUsage).
  bool parse(int argc, const char* const* argv);

  // Sets what is not given from this YAML text (a preset), called `shown` in messages. given()
  // stays false.
  void fill(const std::string& yaml, const std::string& shown);

  // Whether the command line or a config file gave the option, which must exist.
  bool given(std::string_view name) const { return option_named(table_, name).given; }
  // Error(kUsage) if the command line itself gives an option that has no effect here, because of
  // `why`.
  void check_unused(std::string_view name, const std::string& why) const;
  // How many threads to use: --threads or default_threads(), fewer if OpenMP grants fewer.
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
  // What an option that prints and exits asks for; nothing if none is given.
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
