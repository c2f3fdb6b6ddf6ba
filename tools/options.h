// SPDX-License-Identifier: Apache-2.0
// The command line of all tools, over Boost.Program_options. Options fill variables (fields of a
// config struct) and take their defaults from them; --help is the manual.
//   --name value, --name=value; _ may stand for - in a name; a list takes several values, by spaces
//   or repetition; no abbreviations. Every tool has -c/--config FILE.yml (the same names; relative
//   paths in it are relative to it; the command line stands over it), --threads, -q/--quiet, and
//   those that print something and end: -h/--help, --help-all, --version, --build-info, --man-page,
//   --completion bash.
// All mistakes are Error(kUsage) that name the option, what was found and what was expected.
//
//   Config config;
//   Options options({.name = "switch-train", .usage = "--model DIR [options]"});
//   options.group("Model");
//   options.path("model,m", config.model, "DIR", "where the model is written");
//   options.number("d-model", config.d_model, 1, 65536, "width of the model");
//   if (!options.parse(argc, argv)) return 0;   // --help or another that prints and ends
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "tools/number.h"
#include "tools/run.h"

namespace switchyard {

// How many values a list takes.
struct Count {
  std::size_t min = 1;
  std::size_t max = SIZE_MAX;
};

std::string joined(const std::vector<std::string>& values, const char* separator);

// What a tool says of itself.
struct Tool {
  std::string name;
  std::string usage;  // what follows the name on the help's first line
  std::string about;  // what it does; stands below it, and after the name on the manual page
  // --help shows these options and the examples, on one screen; all options where it names none.
  std::vector<std::string> essentials = {};
  std::vector<std::string> examples = {};
  // The files of its folder DIR, and what they hold: for --help-all and the manual page.
  std::vector<std::pair<std::string, std::string>> files = {};
  std::string (*backend)() = nullptr;  // describes the backend it is linked with
};

class Options {
 public:
  explicit Options(Tool tool);

  // The options added next stand under this heading in --help.
  void group(std::string title);

  // `name` is "long" or "long,s". Each variable keeps its value where the option is not given.
  void flag(std::string_view name, bool& value, std::string help);  // --name, --name=false
  // A flag for this one run: no setting, so to_yaml() leaves it out.
  void action(std::string_view name, bool& value, std::string help);
  // --name sets `implied`, --name=N or --name N sets N.
  void flag_number(std::string_view name, std::int64_t& value, std::int64_t implied,
                   std::int64_t min, std::int64_t max, std::string help);
  void text(std::string_view name, std::string& value, std::string metavar, std::string help);
  void path(std::string_view name, std::filesystem::path& value, std::string metavar,
            std::string help);
  void choice(std::string_view name, std::string& value, std::vector<std::string> allowed,
              std::string help);
  // Types and spelling: see parse_number.
  template <class T>
  void number(std::string_view name, T& value, std::type_identity_t<T> min,
              std::type_identity_t<T> max, std::string help);
  template <class T>
  void number(std::string_view name, std::optional<T>& value, std::type_identity_t<T> min,
              std::type_identity_t<T> max, std::string help);

  // Lists of min_count to max_count values; what is given replaces the default.
  void texts(std::string_view name, std::vector<std::string>& values, std::string metavar,
             std::string help, Count count = {});
  void paths(std::string_view name, std::vector<std::filesystem::path>& values, std::string metavar,
             std::string help, Count count = {});
  void choices(std::string_view name, std::vector<std::string>& values,
               std::vector<std::string> allowed, std::string help);
  template <class T>
  void numbers(std::string_view name, std::vector<T>& values, std::type_identity_t<T> min,
               std::type_identity_t<T> max, std::string help, Count count = {});

  // Arguments without an option's name go to this list, as "--name" is one of paths().
  void positional(std::string_view name);
  // Another spelling: alias("--lr", "learn-rate"), alias("-lc", "lowercase").
  void alias(std::string spelling, std::string name);

  // False where --help or the like was asked for and printed: the tool ends with 0. Sets the
  // number of threads and the log level. Without any argument, at a terminal, the help is printed
  // before the Error(kUsage).
  bool parse(int argc, const char* const* argv);

  // After parse(): what is not given takes its value from this YAML text (a preset), which `shown`
  // stands for in messages. given() stays false.
  void fill(const std::string& yaml, const std::string& shown);

  // Whether the command line or a config file gave it; for an option that is there.
  bool given(std::string_view name) const;
  // Error(kUsage) where the command line itself gives an option that has no effect here: `why`.
  void check_unused(std::string_view name, const std::string& why) const;
  // How many threads to use: --threads or default_threads(), fewer if OpenMP grants fewer.
  int threads() const { return threads_; }
  int requested_threads() const { return requested_threads_; }  // before OpenMP's limits
  // Every setting with its effective value, as a YAML file that --config reads; paths are absolute.
  std::string to_yaml() const;

 private:
  using Values = std::vector<std::string>;
  struct Entry {
    std::string name, metavar, help;
    Values choices;  // empty: any value
    char letter = 0;
    std::size_t group = 0;
    bool is_flag = false, is_list = false, is_path = false;
    bool may_have_number = false;  // a flag that a number may follow
    std::function<void(const Values&)> set;
    std::function<Values()> get;
    bool given = false, on_command_line = false;
  };

  Entry& add(std::string_view name, std::string metavar, std::string help);
  static void check_count(const std::string& name, const Values& values, Count count);
  // Error(kUsage) if there is none; `value` (may be empty) is what was given with it.
  Entry& find(std::string_view name, std::string_view shown_as, std::string_view value = "");
  std::string suggestion(std::string_view name, std::string_view value) const;
  const Entry& named(const std::string& name) const;  // one that is there
  Values normalised(int argc, const char* const* argv);
  // Option names and values of a YAML map; relative paths in it start at `base`.
  std::map<std::string, Values> read_yaml(const std::string& yaml, const std::string& shown,
                                          const std::filesystem::path& base);
  void read_config(const std::filesystem::path& file);
  void apply(const std::map<std::string, Values>& found);
  void check_order(const std::map<std::string, Values>& found) const;
  static void set(const Entry& entry, const Values& values);
  // What an argument that prints and ends asks for; nothing where there is none.
  std::string asked_for(int argc, const char* const* argv) const;

  // options_help.cpp
  static std::string heading(const Entry& entry);
  static std::string explanation(const Entry& entry);
  static std::string help_line(std::string heading, const std::string& explanation);
  // The common options, which came first, are shown last.
  std::vector<std::size_t> group_order() const;
  std::string head() const;
  std::string help() const;
  std::string help_all() const;
  std::string man_page() const;
  std::string bash_completion() const;
  std::string build_info() const;

  Tool tool_;
  std::vector<std::string> groups_;
  std::vector<Entry> entries_;
  std::map<std::string, std::string> aliases_;
  std::string positional_;
  std::vector<std::filesystem::path> config_;
  int threads_ = 0, requested_threads_ = 0;
  std::string log_level_ = "info";
  bool quiet_ = false;
};

template <class T>
void Options::number(std::string_view name, T& value, std::type_identity_t<T> min,
                     std::type_identity_t<T> max, std::string help) {
  Entry& entry = add(name, "N", std::move(help));
  entry.set = [&value, min, max, key = entry.name](const Values& v) {
    value = parse_number<T>(key, v.front(), min, max);
  };
  entry.get = [&value] { return Values{number_text(value)}; };
}

template <class T>
void Options::number(std::string_view name, std::optional<T>& value, std::type_identity_t<T> min,
                     std::type_identity_t<T> max, std::string help) {
  Entry& entry = add(name, "N", std::move(help));
  entry.set = [&value, min, max, key = entry.name](const Values& v) {
    value = parse_number<T>(key, v.front(), min, max);
  };
  entry.get = [&value] { return value ? Values{number_text(*value)} : Values{}; };
}

template <class T>
void Options::numbers(std::string_view name, std::vector<T>& values, std::type_identity_t<T> min,
                      std::type_identity_t<T> max, std::string help, Count count) {
  Entry& entry = add(name, "N...", std::move(help));
  entry.is_list = true;
  entry.set = [&values, min, max, count, key = entry.name](const Values& v) {
    check_count(key, v, count);
    values.clear();
    for (const auto& text : v) values.push_back(parse_number<T>(key, text, min, max));
  };
  entry.get = [&values] {
    Values v;
    for (const T value : values) v.push_back(number_text(value));
    return v;
  };
}

}  // namespace switchyard
