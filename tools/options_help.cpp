// SPDX-License-Identifier: Apache-2.0
// What the table of options is good for beside parsing: --help on one screen, --help-all, the
// manual page, and bash's completion.
#include <algorithm>
#include <boost/version.hpp>
#include <map>
#include <sstream>
#include <utility>

#include "src/core/version.h"
#include "tools/options.h"

namespace switchyard {

namespace {

constexpr std::size_t kScreenWidth = 80;
constexpr std::size_t kHelpColumn = 30;

// Appends `text` in lines that begin at `column` and end before the screen does; the first one goes
// on where `out` ends.
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

// In troff a dash would become a hyphen, and a line's first dot or quote a request.
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

}  // namespace

// "-m, --model DIR"
std::string Options::heading(const Entry& entry) {
  std::string text;
  if (entry.letter) text.append("-").append(1, entry.letter).append(", ");
  text += "--" + entry.name;
  if (!entry.metavar.empty()) text += " " + entry.metavar;
  return text;
}

// What it does, and the value it has if it is not given.
std::string Options::explanation(const Entry& entry) {
  std::string text = entry.help;
  if (entry.is_flag || !entry.get) return text;
  if (const std::string value = joined(entry.get(), " "); !value.empty())
    text += " [" + value + "]";
  return text;
}

std::vector<std::size_t> Options::group_order() const {
  std::vector<std::size_t> order;
  for (std::size_t g = 1; g <= groups_.size(); ++g) order.push_back(g % groups_.size());
  return order;
}

std::string Options::help_line(std::string heading, const std::string& explanation) {
  std::string line = "  " + std::move(heading);
  if (line.size() + 2 > kHelpColumn)
    line += '\n' + std::string(kHelpColumn, ' ');
  else
    line.resize(kHelpColumn, ' ');
  wrap(line, explanation, kHelpColumn);
  return line;
}

std::string Options::head() const {
  std::string out = "Usage: " + tool_.name + " " + tool_.usage + "\n";
  if (tool_.about.empty()) return out;
  std::string about = tool_.about + ".";
  about.replace(0, 1, upper(about.substr(0, 1)));
  wrap(out, about, 0);
  return out;
}

std::string Options::help() const {
  if (tool_.essentials.empty()) return help_all();
  std::string out = head() + "\n";
  for (const std::string& name : tool_.essentials) {
    const Entry& entry = named(name);
    out += help_line(heading(entry), explanation(entry));
  }
  out += "\nExamples:\n";
  for (const std::string& example : tool_.examples) out += "  " + example + "\n";
  return out + "\n--help-all lists every option.\n";
}

std::string Options::help_all() const {
  std::string out = head();
  for (const std::size_t group : group_order()) {
    out += "\n" + groups_[group] + ":\n";
    for (const Entry& entry : entries_)
      if (entry.group == group) out += help_line(heading(entry), explanation(entry));
  }
  if (!tool_.files.empty()) out += "\nFiles in DIR:\n";
  for (const auto& [name, content] : tool_.files) out += help_line(name, content);
  return out;
}

std::string Options::man_page() const {
  std::string out = ".TH " + upper(tool_.name) + " 1 \"\" \"Switchyard " + std::string(version()) +
                    "\" \"User Commands\"\n.SH NAME\n" + troff(tool_.name + " - " + tool_.about) +
                    "\n.SH SYNOPSIS\n.B " + troff(tool_.name) + "\n" + troff(tool_.usage) +
                    "\n.SH OPTIONS\n" +
                    troff(
                        "An underscore may stand for a dash in a name; --name=value and "
                        "--name value are the same. The value in brackets is the default.") +
                    "\n";
  for (const std::size_t group : group_order()) {
    out += ".SS " + groups_[group] + "\n";
    for (const Entry& entry : entries_)
      if (entry.group == group)
        out += ".TP\n.B " + troff(heading(entry)) + "\n" + troff(explanation(entry)) + "\n";
  }
  if (!tool_.files.empty()) out += ".SH FILES\nIn the folder DIR:\n";
  for (const auto& [name, content] : tool_.files)
    out += ".TP\n.I " + troff(name) + "\n" + troff(content) + "\n";
  if (!tool_.examples.empty()) out += ".SH EXAMPLES\n";
  for (const std::string& example : tool_.examples)
    out += ".PP\n.nf\n" + troff(example) + "\n.fi\n";
  out +=
      ".SH EXIT STATUS\n.TP\n0\ndone\n.TP\n1\nfailure at run time, of input or of output\n"
      ".TP\n2\nwrong usage\n.TP\n3\nbad data or a bad model\n.TP\n4\ntraining diverged\n"
      ".TP\n130, 143\nended by SIGINT, SIGTERM\n";
  return out;
}

// A value is completed from its choices, else from file names where it is a path.
std::string Options::bash_completion() const {
  std::string function = "_" + tool_.name;
  std::replace(function.begin(), function.end(), '-', '_');
  std::string names, cases, without;
  for (const Entry& entry : entries_) {
    names.append(names.empty() ? "--" : " --").append(entry.name);
    if (entry.is_flag || entry.is_path) continue;
    std::string pattern = "--" + entry.name;
    if (entry.letter) pattern.append("|-").append(1, entry.letter);
    if (entry.choices.empty())
      without.append(without.empty() ? "" : "|").append(pattern);
    else
      cases += "    " + pattern + ") words='" + joined(entry.choices, " ") + "' ;;\n";
  }
  if (!without.empty()) cases += "    " + without + ") return ;;\n";
  return "# bash completion of " + tool_.name + "; written by " + tool_.name +
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
         function + " " + tool_.name + "\n";
}

std::string Options::build_info() const {
  std::ostringstream out;
  out << tool_.name << " " << version() << "\n";
  if (tool_.backend) out << "backend: CPU, " << tool_.backend() << "\n";
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
