// SPDX-License-Identifier: Apache-2.0
#include "tools/options_help.h"

#include <algorithm>
#include <boost/version.hpp>
#include <sstream>
#include <utility>

#include "src/core/version.h"

namespace switchyard {

namespace {

constexpr std::size_t kScreenWidth = 80;
constexpr std::size_t kHelpColumn = 30;

// Appends `text`, wrapped between `column` and the screen's right edge; the first line continues
// where `out` ends.
void wrap(std::string& out, const std::string& text, std::size_t column) {
  std::istringstream words(text);
  std::size_t at = out.size() - (out.rfind('\n') + 1);
  bool first = true;
  for (std::string word; words >> word; first = false) {
    if (!first && at + 1 + word.size() > kScreenWidth) {
      out += '\n' + std::string(column, ' ');
      at = column;
    } else if (!first) {
      out += ' ';
      ++at;
    }
    out += word;
    at += word.size();
  }
  out += '\n';
}

// Escapes `text`: troff prints a plain dash as a hyphen and interprets a leading dot or quote as a
// request.
std::string troff(const std::string& text) {
  std::string out = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
  for (const char c : text) {
    if (c == '\\' || c == '-') out += '\\';
    out += c;
  }
  return out;
}

std::string upper(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

// "-m, --model DIR"
std::string heading(const Option& option) {
  std::string text;
  if (option.letter) text.append("-").append(1, option.letter).append(", ");
  text += "--" + option.name;
  if (!option.metavar.empty()) text += " " + option.metavar;
  return text;
}

// The option's help text and its default.
std::string explanation(const Option& option) {
  std::string text = option.help;
  if (option.is_flag || !option.get) return text;
  if (const std::string value = joined(option.get(), " "); !value.empty())
    text += " [" + value + "]";
  return text;
}

// The headings in table order, except that the common options, its first rows, come last.
Values group_titles(const OptionTable& table) {
  Values titles;
  for (const Option& option : table)
    if (std::find(titles.begin(), titles.end(), option.group) == titles.end())
      titles.push_back(option.group);
  std::rotate(titles.begin(), titles.begin() + 1, titles.end());
  return titles;
}

std::string help_line(std::string heading, const std::string& explanation) {
  std::string line = "  " + std::move(heading);
  if (line.size() + 2 > kHelpColumn)
    line += '\n' + std::string(kHelpColumn, ' ');
  else
    line.resize(kHelpColumn, ' ');
  wrap(line, explanation, kHelpColumn);
  return line;
}

std::string head(const Tool& tool) {
  std::string out = "Usage: " + tool.name + " " + tool.usage + "\n";
  if (tool.about.empty()) return out;
  std::string about = tool.about + ".";
  about.replace(0, 1, upper(about.substr(0, 1)));
  wrap(out, about, 0);
  return out;
}

}  // namespace

std::string help_screen(const Tool& tool, const OptionTable& table) {
  if (tool.essentials.empty()) return help_all(tool, table);
  std::string out = head(tool) + "\n";
  for (const std::string& name : tool.essentials) {
    const Option& option = option_named(table, name);
    out += help_line(heading(option), explanation(option));
  }
  out += "\nExamples:\n";
  for (const std::string& example : tool.examples) out += "  " + example + "\n";
  return out + "\n--help-all lists every option.\n";
}

std::string help_all(const Tool& tool, const OptionTable& table) {
  std::string out = head(tool);
  for (const std::string& group : group_titles(table)) {
    out += "\n" + group + ":\n";
    for (const Option& option : table)
      if (option.group == group) out += help_line(heading(option), explanation(option));
  }
  if (!tool.files.empty()) out += "\nFiles in DIR:\n";
  for (const auto& [name, content] : tool.files) out += help_line(name, content);
  return out;
}

std::string man_page(const Tool& tool, const OptionTable& table) {
  std::string out = ".TH " + upper(tool.name) + " 1 \"\" \"Switchyard " + std::string(version()) +
                    "\" \"User Commands\"\n.SH NAME\n" + troff(tool.name + " - " + tool.about) +
                    "\n.SH SYNOPSIS\n.B " + troff(tool.name) + "\n" + troff(tool.usage) +
                    "\n.SH OPTIONS\n" +
                    troff(
                        "An underscore may replace a dash in an option name; --name=value and "
                        "--name value are equivalent. Defaults are in brackets.") +
                    "\n";
  for (const std::string& group : group_titles(table)) {
    out += ".SS " + group + "\n";
    for (const Option& option : table)
      if (option.group == group)
        out += ".TP\n.B " + troff(heading(option)) + "\n" + troff(explanation(option)) + "\n";
  }
  if (!tool.files.empty()) out += ".SH FILES\nIn directory DIR:\n";
  for (const auto& [name, content] : tool.files)
    out += ".TP\n.I " + troff(name) + "\n" + troff(content) + "\n";
  if (!tool.examples.empty()) out += ".SH EXAMPLES\n";
  for (const std::string& example : tool.examples) out += ".PP\n.nf\n" + troff(example) + "\n.fi\n";
  out +=
      ".SH EXIT STATUS\n.TP\n0\ndone\n.TP\n1\nrun-time or I/O failure\n"
      ".TP\n2\nusage error\n.TP\n3\nbad data or model\n.TP\n4\ntraining diverged\n"
      ".TP\n130, 143\nstopped by SIGINT or SIGTERM\n";
  return out;
}

// Completes values from their choices, and paths from file names.
std::string bash_completion(const Tool& tool, const OptionTable& table) {
  std::string function = "_" + tool.name;
  std::replace(function.begin(), function.end(), '-', '_');
  std::string names, cases, without;
  for (const Option& option : table) {
    names.append(names.empty() ? "--" : " --").append(option.name);
    if (option.is_flag || option.is_path) continue;
    std::string pattern = "--" + option.name;
    if (option.letter) pattern.append("|-").append(1, option.letter);
    if (option.choices.empty())
      without.append(without.empty() ? "" : "|").append(pattern);
    else
      cases += "    " + pattern + ") words='" + joined(option.choices, " ") + "' ;;\n";
  }
  if (!without.empty()) cases += "    " + without + ") return ;;\n";
  return "# bash completion for " + tool.name + "; written by " + tool.name +
         " --completion bash\n" + function +
         "() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=\n"
         "  case $prev in\n" +
         cases +
         "  esac\n"
         "  if [[ $cur == -* ]]; then\n"
         "    words='" +
         names +
         "'\n"
         "  fi\n"
         "  if [[ $words ]]; then\n"
         "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
         "  else\n"
         "    mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
         "  fi\n"
         "}\n"
         "complete -o filenames -F " +
         function + " " + tool.name + "\n";
}

std::string version_line(const Tool& tool, const OptionTable&) {
  return tool.name + " " + std::string(version()) + "\n";
}

std::string build_info(const Tool& tool, const OptionTable&) {
  std::ostringstream out;
  out << tool.name << " " << version() << "\n";
  if (tool.backend) out << "backend: CPU, " << tool.backend() << "\n";
  out << "compiler: "
#ifdef __clang__
      << "clang " << __clang_version__
#else
      << "GCC " << __VERSION__
#endif
      << ", Boost " << BOOST_VERSION / 100000 << "." << BOOST_VERSION / 100 % 1000 << "\n";
  return out.str();
}

}  // namespace switchyard
