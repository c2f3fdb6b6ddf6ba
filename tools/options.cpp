// SPDX-License-Identifier: Apache-2.0
#include "tools/options.h"

#include <unistd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cassert>
#include <cstdio>
#include <sstream>
#include <utility>

#include "src/core/counted.h"
#include "src/core/error.h"
#include "src/core/log.h"
#include "src/core/parallel.h"
#include "src/core/version.h"
#include "tools/closest_name.h"
#include "tools/peer_options.h"
#include "tools/threads.h"

namespace switchyard {

namespace {

namespace po = boost::program_options;
using Values = std::vector<std::string>;

constexpr int kMaxThreads = 1024;
constexpr const char* kUnnamed = "unnamed argument";

bool looks_like_number(std::string_view text) {
  return text.size() > 1 && text[0] == '-' &&
         (text[1] == '.' || (text[1] >= '0' && text[1] <= '9'));
}

bool is_count(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

void check_choice(const std::string& name, const std::string& value, const Values& allowed) {
  check(std::find(allowed.begin(), allowed.end(), value) != allowed.end(), ErrorKind::kUsage, "--",
        name, ": found '", escaped(value), "', expected one of: ", joined(allowed, ", "));
}

}  // namespace

std::string joined(const Values& values, const char* separator) {
  std::string all;
  for (const auto& v : values) all += (all.empty() ? "" : separator) + v;
  return all;
}

Options::Options(Tool tool) : tool_(std::move(tool)) {
  group("Common");
  paths("config,c", config_, "FILE", "read options from a YAML file; given ones stand over it");
  number("threads", threads_, 0, kMaxThreads, "threads; 0: one for each core that may be used");
  choice("log-level", log_level_, {"quiet", "info", "verbose"},
         "what is printed; quiet: errors and warnings only");
  flag("quiet,q", quiet_, "as --log-level quiet");
  // Looked for before anything else (asked_for), so only the help shows them.
  add("help,h", "", "print what is needed most and exit").is_flag = true;
  add("help-all", "", "print all options and exit").is_flag = true;
  add("version", "", "print the version and exit").is_flag = true;
  add("build-info", "", "print what this program is made of and exit").is_flag = true;
  add("man-page", "", "print the manual page, for man -l -, and exit").is_flag = true;
  add("completion", "bash", "print the shell's completion and exit").choices = {"bash"};
}

void Options::group(std::string title) { groups_.push_back(std::move(title)); }

Options::Entry& Options::add(std::string_view name, std::string metavar, std::string help) {
  Entry entry;
  const auto comma = name.find(',');
  entry.name = name.substr(0, comma);
  if (comma != std::string_view::npos) {
    entry.letter = name[comma + 1];
    alias("-" + std::string(1, entry.letter), entry.name);
  }
  entry.metavar = std::move(metavar);
  entry.help = std::move(help);
  entry.group = groups_.size() - 1;
  entries_.push_back(std::move(entry));
  return entries_.back();
}

void Options::alias(std::string spelling, std::string name) {
  aliases_.emplace(std::move(spelling), std::move(name));
}

void Options::positional(std::string_view name) { positional_ = name; }

void Options::flag(std::string_view name, bool& value, std::string help) {
  Entry& entry = add(name, "", std::move(help));
  entry.is_flag = true;
  entry.set = [&value, key = entry.name](const Values& v) {
    check_choice(key, v.front(), {"true", "false", "on", "off", "yes", "no"});
    value = v.front() == "true" || v.front() == "on" || v.front() == "yes";
  };
  entry.get = [&value] { return Values{value ? "true" : "false"}; };
}

void Options::action(std::string_view name, bool& value, std::string help) {
  flag(name, value, std::move(help));
  entries_.back().get = nullptr;
}

void Options::flag_number(std::string_view name, std::int64_t& value, std::int64_t implied,
                          std::int64_t min, std::int64_t max, std::string help) {
  Entry& entry = add(name, "[K]", std::move(help));
  entry.is_flag = entry.may_have_number = true;
  entry.set = [&value, implied, min, max, key = entry.name](const Values& v) {
    value = v.front() == "true" ? implied : parse_number<std::int64_t>(key, v.front(), min, max);
  };
  entry.get = [&value] { return Values{number_text(value)}; };
}

void Options::text(std::string_view name, std::string& value, std::string metavar,
                   std::string help) {
  Entry& entry = add(name, std::move(metavar), std::move(help));
  entry.set = [&value](const Values& v) { value = v.front(); };
  entry.get = [&value] { return Values{value}; };
}

void Options::path(std::string_view name, std::filesystem::path& value, std::string metavar,
                   std::string help) {
  Entry& entry = add(name, std::move(metavar), std::move(help));
  entry.is_path = true;
  entry.set = [&value, key = entry.name](const Values& v) {
    check(!v.front().empty(), ErrorKind::kUsage, "--", key, ": the path is empty");
    value = v.front();
  };
  entry.get = [&value] { return value.empty() ? Values{} : Values{value.string()}; };
}

void Options::choice(std::string_view name, std::string& value, std::vector<std::string> allowed,
                     std::string help) {
  Entry& entry = add(name, joined(allowed, "|"), std::move(help));
  entry.choices = allowed;
  entry.set = [&value, allowed, key = entry.name](const Values& v) {
    check_choice(key, v.front(), allowed);
    value = v.front();
  };
  entry.get = [&value] { return Values{value}; };
}

void Options::texts(std::string_view name, std::vector<std::string>& values, std::string metavar,
                    std::string help, Count count) {
  Entry& entry = add(name, std::move(metavar), std::move(help));
  entry.is_list = true;
  entry.set = [&values, count, key = entry.name](const Values& v) {
    check_count(key, v, count);
    values = v;
  };
  entry.get = [&values] { return values; };
}

void Options::paths(std::string_view name, std::vector<std::filesystem::path>& values,
                    std::string metavar, std::string help, Count count) {
  Entry& entry = add(name, std::move(metavar), std::move(help));
  entry.is_list = entry.is_path = true;
  entry.set = [&values, count, key = entry.name](const Values& v) {
    check_count(key, v, count);
    values.clear();
    for (const auto& path : v) {
      check(!path.empty(), ErrorKind::kUsage, "--", key, ": a path is empty");
      values.emplace_back(path);
    }
  };
  entry.get = [&values] {
    Values v;
    for (const auto& path : values) v.push_back(path.string());
    return v;
  };
}

void Options::choices(std::string_view name, std::vector<std::string>& values,
                      std::vector<std::string> allowed, std::string help) {
  Entry& entry = add(name, joined(allowed, "|") + "...", std::move(help));
  entry.choices = allowed;
  entry.is_list = true;
  entry.set = [&values, allowed, key = entry.name](const Values& v) {
    check_count(key, v, {});
    for (const auto& value : v) check_choice(key, value, allowed);
    values = v;
  };
  entry.get = [&values] { return values; };
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

Options::Entry& Options::find(std::string_view name, std::string_view shown_as,
                              std::string_view value) {
  for (Entry& entry : entries_)
    if (entry.name == name) return entry;
  name.remove_prefix(std::min(name.find_first_not_of('-'), name.size()));
  fail(ErrorKind::kUsage, "unknown option '", escaped(shown_as), "'; ", suggestion(name, value));
}

// Advice for someone who gave the unknown option `name`.
std::string Options::suggestion(std::string_view name, std::string_view value) const {
  const auto has = [this](std::string_view option, std::string_view choice) {
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) {
      return e.name == option &&
             (choice.empty() || std::count(e.choices.begin(), e.choices.end(), choice) > 0);
    });
  };
  if (const std::string advice = advice_for_peer_option(name, value, has); !advice.empty())
    return advice;
  std::vector<std::string_view> names;
  for (const Entry& entry : entries_) names.push_back(entry.name);
  const std::string_view closest = closest_name(name, names);
  return closest.empty() ? "--help-all lists every option"
                         : "did you mean --" + std::string(closest) + "?";
}

const Options::Entry& Options::named(const std::string& name) const {
  const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& e) { return e.name == name; });
  assert(entry != entries_.end());
  return *entry;
}

// The arguments with every option in one form, "--name" or "--name=value" for flags, so that what
// Boost is left with has one reading.
Values Options::normalised(int argc, const char* const* argv) {
  Values out;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--") {
      out.insert(out.end(), argv + i, argv + argc);
      break;
    }
    if (argument.size() < 2 || argument[0] != '-' || looks_like_number(argument)) {
      out.push_back(argument);
      continue;
    }
    const auto equals = argument.find('=');
    std::string name = argument.substr(0, equals);
    if (name.starts_with("--")) std::replace(name.begin(), name.end(), '_', '-');
    const auto alias = aliases_.find(name);
    const bool is_long = name.starts_with("--");
    const std::string next = i + 1 < argc ? argv[i + 1] : "--";
    const Entry& entry =
        find(alias != aliases_.end() ? alias->second
             : is_long               ? name.substr(2)
                                     : name,
             argument,
             equals != std::string::npos ? std::string_view(argument).substr(equals + 1) : next);
    name = "--" + entry.name;
    if (entry.is_flag) {
      // If the tool takes no unnamed arguments, a bare number can only be the value.
      const bool number_follows = entry.may_have_number && equals == std::string::npos &&
                                  positional_.empty() && is_count(next);
      out.push_back(name + "=" +
                    (equals != std::string::npos ? argument.substr(equals + 1)
                     : number_follows            ? next
                                                 : "true"));
      if (number_follows) ++i;
      continue;
    }
    out.push_back(name);
    if (equals != std::string::npos) {
      out.push_back(argument.substr(equals + 1));
      continue;
    }
    // A value that starts with a dash is written --name=-value.
    check(next.size() < 2 || next[0] != '-' || looks_like_number(next), ErrorKind::kUsage, name,
          ": a value is missing, expected ", entry.metavar);
  }
  return out;
}

void Options::apply(const std::map<std::string, Values>& found) {
  for (const auto& [name, values] : found) {
    Entry& entry = find(name, name);
    set(entry, values);
    entry.given = true;
  }
}

void Options::set(const Entry& entry, const Values& values) {
  check(entry.is_list || values.size() == 1, ErrorKind::kUsage, "--", entry.name, ": given ",
        counted(std::ssize(values), "time"), ", expected once");
  entry.set(values);
}

std::string Options::asked_for(int argc, const char* const* argv) const {
  for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "-h" || argument == "--help") return help();
    if (argument == "--help-all") return help_all();
    if (argument == "--version") return tool_.name + " " + std::string(version()) + "\n";
    if (argument == "--build-info") return build_info();
    if (argument == "--man-page") return man_page();
    if (argument == "--completion=bash") return bash_completion();
    if (argument == "--completion") {
      check(i + 1 < argc && std::string_view(argv[i + 1]) == "bash", ErrorKind::kUsage,
            "--completion: found ", i + 1 < argc ? escaped(argv[i + 1]) : "nothing",
            ", expected bash");
      return bash_completion();
    }
  }
  return "";
}

// An unnamed argument after a list is parsed as one more value of the list.
void Options::check_order(const std::map<std::string, Values>& found) const {
  if (positional_.empty() || found.count(positional_) > 0) return;
  for (const auto& [name, values] : found) {
    const Entry& entry = named(name);
    if (!entry.is_list || entry.choices.empty()) continue;
    for (const std::string& value : values)
      check(std::count(entry.choices.begin(), entry.choices.end(), value) > 0, ErrorKind::kUsage,
            "--", name, ": found '", escaped(value),
            "', expected one of: ", joined(entry.choices, ", "),
            "; if it is a file, it comes first: ", tool_.name, " ", tool_.usage);
  }
}

bool Options::parse(int argc, const char* const* argv) {
  if (const std::string text = asked_for(argc, argv); !text.empty()) {
    write_stdout(text);
    flush_stdout();
    return false;
  }
  if (argc <= 1 && isatty(STDERR_FILENO)) std::fputs((help() + "\n").c_str(), stderr);

  po::options_description description;
  for (const Entry& entry : entries_) {
    auto value = po::value<Values>();
    description.add_options()(entry.name.c_str(), entry.is_list ? value->multitoken() : value, "");
  }
  // Where no option takes them, arguments without a name are collected to be named in the error.
  po::positional_options_description arguments;
  if (positional_.empty()) description.add_options()(kUnnamed, po::value<Values>(), "");
  arguments.add(positional_.empty() ? kUnnamed : positional_.c_str(), -1);
  std::map<std::string, Values> found;
  try {
    const auto parsed = po::command_line_parser(normalised(argc, argv))
                            .options(description)
                            .positional(arguments)
                            .style(po::command_line_style::allow_long |
                                   po::command_line_style::long_allow_adjacent |
                                   po::command_line_style::long_allow_next)
                            .run();
    for (const auto& option : parsed.options) {
      Values& values = found[option.string_key];
      values.insert(values.end(), option.value.begin(), option.value.end());
    }
  } catch (const po::error& e) {
    fail(ErrorKind::kUsage, e.what());
  }
  if (const auto unnamed = found.find(kUnnamed); unnamed != found.end())
    fail(ErrorKind::kUsage, "'", escaped(unnamed->second.front()),
         "': an argument without an option's name, expected: ", tool_.name, " ", tool_.usage);

  check_order(found);
  if (const auto config = found.find("config"); config != found.end()) {
    apply({*config});
    for (const auto& file : config_) read_config(file);
  }
  apply(found);
  for (const auto& [name, values] : found) find(name, name).on_command_line = true;
  set_log_level(quiet_ || log_level_ == "quiet" ? LogLevel::kQuiet
                : log_level_ == "verbose"       ? LogLevel::kVerbose
                                                : LogLevel::kInfo);
  requested_threads_ = threads_ > 0 ? threads_ : default_threads();
  threads_ = usable_threads(requested_threads_);
  return true;
}

bool Options::given(std::string_view name) const { return named(std::string(name)).given; }

void Options::check_unused(std::string_view name, const std::string& why) const {
  check(!named(std::string(name)).on_command_line, ErrorKind::kUsage, "--", name,
        ": has no effect here: ", why);
}

}  // namespace switchyard
