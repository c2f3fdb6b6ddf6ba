// SPDX-License-Identifier: Apache-2.0
#include "tools/options.h"

#include <unistd.h>

#include <cstdio>
#include <sstream>
#include <utility>

#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/core/file.h"
#include "src/core/log.h"
#include "src/core/parallel.h"
#include "src/core/version.h"
#include "tools/command_line.h"
#include "tools/options_help.h"
#include "tools/options_yaml.h"
#include "tools/threads.h"

namespace switchyard {

namespace {

constexpr int kMaxThreads = 1024;
constexpr std::size_t kMaxConfigBytes = 1 << 20;

bool parse_flag(const std::string& name, const std::string& text) {
  check_choice(name, text, {"true", "false", "on", "off", "yes", "no"});
  return text == "true" || text == "on" || text == "yes";
}

void set_once(const Option& option, const Values& values) {
  check(option.is_list || values.size() == 1, ErrorKind::kUsage, "--", option.name, ": given ",
        counted(std::ssize(values), "time"), ", expected once");
  option.set(values);
}

}  // namespace

Options::Options(Tool tool) : tool_(std::move(tool)) {
  paths("config,c", config_, "FILE",
        "read options from a YAML file; command-line options override it");
  number("threads", threads_, 0, kMaxThreads, "number of threads; 0: one per available core");
  choice("log-level", log_level_,
         {{"quiet", LogLevel::kQuiet}, {"info", LogLevel::kInfo}, {"verbose", LogLevel::kVerbose}},
         "verbosity; quiet: errors and warnings only");
  flag("quiet,q", quiet_, "same as --log-level quiet");
  const auto prints = [&](std::string_view name, auto* print, std::string help) -> Option& {
    Option& option = add(name, "", std::move(help));
    option.is_flag = true;
    option.print = print;
    return option;
  };
  prints("help,h", help_screen, "print the essential options and exit");
  prints("help-all", help_all, "print all options and exit");
  prints("version", version_line, "print the version and exit");
  prints("build-info", build_info, "print backend, compiler and library versions and exit");
  prints("man-page", man_page, "print the manual page (for man -l -) and exit");
  Option& completion =
      prints("completion", bash_completion, "print a completion script for the shell and exit");
  completion.metavar = "bash";
  completion.choices = {"bash"};
  completion.is_flag = false;
}

Option& Options::add(std::string_view name, std::string metavar, std::string help) {
  const auto comma = name.find(',');
  Option& option = table_.emplace_back();
  option.name = name.substr(0, comma);
  if (comma != std::string_view::npos) option.letter = name[comma + 1];
  option.metavar = std::move(metavar);
  option.help = std::move(help);
  option.group = group_;
  return option;
}

Option& Options::named(std::string_view name) {
  return const_cast<Option&>(option_named(table_, name));
}

void Options::alias(std::string spelling, std::string_view name) {
  named(name).aliases.push_back(std::move(spelling));
}

void Options::positional(std::string_view name) { named(name).is_positional = true; }

void Options::flag(std::string_view name, bool& value, std::string help) {
  Option& option = add(name, "", std::move(help));
  option.is_flag = true;
  option.set = [&value, key = option.name](const Values& v) { value = parse_flag(key, v.front()); };
  option.get = [&value] { return Values{value ? "true" : "false"}; };
}

void Options::action(std::string_view name, bool& value, std::string help) {
  Option& option = add(name, "", std::move(help));
  option.is_flag = true;
  option.set = [&value, initial = value, key = option.name](const Values& v) {
    value = parse_flag(key, v.front()) != initial;
  };
}

void Options::flag_number(std::string_view name, std::int64_t& value, std::int64_t implied,
                          std::int64_t min, std::int64_t max, std::string help) {
  Option& option = add(name, "[K]", std::move(help));
  option.is_flag = option.is_count = true;
  option.set = [&value, implied, min, max, key = option.name](const Values& v) {
    value = v.front() == "true" ? implied : parse_number<std::int64_t>(key, v.front(), min, max);
  };
  option.get = [&value] { return Values{number_text(value)}; };
}

void Options::text(std::string_view name, std::string& value, std::string metavar,
                   std::string help) {
  Option& option = add(name, std::move(metavar), std::move(help));
  option.set = [&value](const Values& v) { value = v.front(); };
  option.get = [&value] { return Values{value}; };
}

void Options::path(std::string_view name, std::filesystem::path& value, std::string metavar,
                   std::string help) {
  Option& option = add(name, std::move(metavar), std::move(help));
  option.is_path = true;
  option.set = [&value, key = option.name](const Values& v) {
    check(!v.front().empty(), ErrorKind::kUsage, "--", key, ": the path is empty");
    value = v.front();
  };
  option.get = [&value] { return value.empty() ? Values{} : Values{value.string()}; };
}

void Options::choice(std::string_view name, std::string& value, const Values& allowed,
                     std::string help) {
  Choices<std::string> choices;
  for (const std::string& text : allowed) choices.emplace_back(text, text);
  choice<std::string>(name, value, std::move(choices), std::move(help));
}

void Options::preset(std::string_view name, std::string& value, const Values& allowed,
                     std::string (*yaml_of)(const std::string&), std::string help) {
  choice(name, value, allowed, std::move(help));
  fill_from_preset_ = [this, &value, yaml_of] { fill(yaml_of(value), "preset " + value); };
}

void Options::paths(std::string_view name, std::vector<std::filesystem::path>& values,
                    std::string metavar, std::string help, Count count) {
  Option& option = add(name, std::move(metavar), std::move(help));
  option.is_list = option.is_path = true;
  option.set = [&values, count, key = option.name](const Values& v) {
    check_count(key, v, count);
    values.clear();
    for (const auto& path : v) {
      check(!path.empty(), ErrorKind::kUsage, "--", key, ": a path is empty");
      values.emplace_back(path);
    }
  };
  option.get = [&values] {
    Values v;
    for (const auto& path : values) v.push_back(path.string());
    return v;
  };
}

void Options::choices(std::string_view name, Values& values, Values allowed, std::string help) {
  Option& option = add(name, joined(allowed, "|") + "...", std::move(help));
  option.choices = allowed;
  option.is_list = true;
  option.set = [&values, allowed, key = option.name](const Values& v) {
    check_count(key, v, {});
    for (const auto& value : v) check_choice(key, value, allowed);
    values = v;
  };
  option.get = [&values] { return values; };
}

void Options::numbers(std::string_view name, std::vector<float*> values, float min, float max,
                      std::string help, std::size_t at_least) {
  Option& option = add(name, "N...", std::move(help));
  option.is_list = true;
  option.set = [=, key = option.name](const Values& v) {
    check_count(key, v, {at_least, values.size()});
    for (std::size_t i = 0; i < values.size(); ++i)
      *values[i] = i < v.size() ? parse_number<float>(key, v[i], min, max) : 0;
  };
  option.get = [=] {
    Values v;
    for (std::size_t i = 0; i < values.size(); ++i)
      if (i < at_least || *values[i] != 0) v.push_back(number_text(*values[i]));
    return v;
  };
}

void Options::check_count(const std::string& name, const Values& values, Count count) {
  if (values.size() >= count.min && values.size() <= count.max) return;
  std::ostringstream expected;
  expected << count.min;
  if (count.max == SIZE_MAX)
    expected << " or more";
  else if (count.max != count.min)
    expected << " to " << count.max;
  fail(ErrorKind::kUsage, "--", name, ": found ", counted(std::ssize(values), "value"),
       ", expected ", expected.str());
}

void Options::apply(const std::map<std::string, Values>& found) {
  for (const auto& [name, values] : found) {
    Option& option = named(name);
    set_once(option, values);
    option.given = true;
  }
}

void Options::fill(const std::string& yaml, const std::string& shown) {
  for (const auto& [name, values] : read_yaml_options(table_, yaml, shown, {})) {
    const Option& option = named(name);
    if (!option.given) with_context(shown, [&, &values = values] { set_once(option, values); });
  }
}

void Options::read_config(const std::filesystem::path& file) {
  const std::string shown = escaped(file.string());
  const auto found = read_yaml_options(table_, read_file(file, kMaxConfigBytes), shown,
                                       std::filesystem::absolute(file).parent_path());
  with_context(shown, [&] { apply(found); });
}

std::string Options::to_yaml() const { return settings_yaml(table_); }

std::string Options::asked_for(int argc, const char* const* argv) const {
  for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    const std::string argument = argv[i];
    const auto equals = argument.find('=');
    const Option* option = find_option(table_, argument.substr(0, equals));
    if (!option || !option->print) continue;
    if (!option->choices.empty())
      check_choice(option->name,
                   equals != std::string::npos ? argument.substr(equals + 1)
                   : i + 1 < argc              ? argv[i + 1]
                                               : "",
                   option->choices);
    return option->print(tool_, table_);
  }
  return "";
}

bool Options::parse(int argc, const char* const* argv) {
  if (const std::string text = asked_for(argc, argv); !text.empty()) {
    write_stdout(text);
    flush_stdout();
    return false;
  }
  if (argc <= 1 && isatty(STDERR_FILENO))
    std::fputs((help_screen(tool_, table_) + "\n").c_str(), stderr);

  const std::map<std::string, Values> found = parse_command_line(tool_, table_, argc, argv);
  if (const auto config = found.find("config"); config != found.end()) {
    apply({*config});
    for (const auto& file : config_) read_config(file);
  }
  apply(found);
  for (const auto& [name, values] : found) named(name).on_command_line = true;
  if (fill_from_preset_) fill_from_preset_();
  set_log_level(quiet_ ? LogLevel::kQuiet : log_level_);
  requested_threads_ = threads_ > 0 ? threads_ : default_threads();
  threads_ = usable_threads(requested_threads_);
  return true;
}

void Options::check_unused(std::string_view name, const std::string& why) const {
  check(!option_named(table_, name).on_command_line, ErrorKind::kUsage, "--", name,
        ": has no effect here: ", why);
}

}  // namespace switchyard
