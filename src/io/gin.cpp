// SPDX-License-Identifier: Apache-2.0
#include "src/io/gin.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "src/core/error.h"
#include "src/core/file.h"
#include "src/core/file_content.h"

namespace switchyard {

namespace {

using nlohmann::json;

constexpr std::size_t kMaxBytes = std::size_t{1} << 24;
constexpr int kMaxDepth = 16;  // of macros that refer to macros, and of nested tuples

// Macros that name each other several times could make a value of any size.
constexpr int kMaxParts = 10000;

constexpr std::string_view kBlank = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

struct Statement {
  std::string text;
  std::size_t line = 0;
  bool indented = false;
};

// Splits a file into statements: lines without comments, joined where a bracket is open or a
// backslash ends the line.
class Splitter {
 public:
  Splitter(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  std::vector<Statement> split() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\'' || c == '"') {
        take_string();
      } else if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '\\' && text_.substr(at_ + 1).starts_with("\n")) {
        at_ += 2;
        ++line_;
        statement_.text += ' ';
      } else if (c == '\n') {
        ++at_;
        if (open_.empty())
          end_statement();
        else
          statement_.text += ' ';
        ++line_;
      } else {
        take(c);
      }
    }
    check(open_.empty(), ErrorKind::kData, name_, ":", bracket_line_, ": a bracket is not closed");
    end_statement();
    return std::move(statements_);
  }

 private:
  void take(char c) {
    if (statement_.text.empty() && c != ' ' && c != '\t') {
      statement_.line = line_;
      statement_.indented = at_ > 0 && text_[at_ - 1] != '\n';
    }
    if (c == '(' || c == '[' || c == '{') {
      if (open_.empty()) bracket_line_ = line_;
      open_ += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      check(!open_.empty() && open_.back() == c, ErrorKind::kData, name_, ":", line_,
            ": a bracket that was not opened");
      open_.pop_back();
    }
    if (!statement_.text.empty() || (c != ' ' && c != '\t')) statement_.text += c;
    ++at_;
  }

  void take_string() {
    const std::string_view rest = text_.substr(at_);
    const bool triple = rest.starts_with("'''") || rest.starts_with("\"\"\"");
    const std::string_view quote = rest.substr(0, triple ? 3 : 1);
    const std::size_t first_line = line_;
    std::size_t end = quote.size();
    while (end < rest.size() && !rest.substr(end).starts_with(quote)) {
      check(triple || rest[end] != '\n', ErrorKind::kData, name_, ":", first_line,
            ": a string is not closed");
      if (rest[end] == '\n') ++line_;
      end += rest[end] == '\\' ? 2 : 1;
    }
    check(end < rest.size(), ErrorKind::kData, name_, ":", first_line, ": a string is not closed");
    end += quote.size();
    if (statement_.text.empty()) statement_.line = first_line;
    statement_.text += rest.substr(0, end);
    at_ += end;
  }

  void end_statement() {
    statement_.text = trimmed(statement_.text);
    if (!statement_.text.empty()) statements_.push_back(std::move(statement_));
    statement_ = {};
  }

  const std::string_view text_;
  const std::string& name_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t bracket_line_ = 1;
  std::string open_;  // the brackets that will close those that are open
  Statement statement_;
  std::vector<Statement> statements_;
};

// Splits SCOPE/NAME; scopes may be nested.
GinBinding binding_of(std::string_view selector, std::string_view value, std::size_t line) {
  const std::size_t slash = selector.rfind('/');
  const bool scoped = slash != selector.npos;
  return {std::string(scoped ? selector.substr(0, slash) : ""),
          std::string(scoped ? selector.substr(slash + 1) : selector), std::string(value), line};
}

bool is_selector(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '/' || c == '-';
  });
}

// The elements of "a, (b, c), 'd'".
std::vector<std::string_view> elements(std::string_view text) {
  std::vector<std::string_view> found;
  int depth = 0;
  char quote = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\')
        ++i;
      else if (c == quote)
        quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '(' || c == '[' || c == '{') {
      ++depth;
    } else if (c == ')' || c == ']' || c == '}') {
      --depth;
    } else if (c == ',' && depth == 0) {
      found.push_back(trimmed(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  const std::string_view last = trimmed(text.substr(std::min(begin, text.size())));
  if (!last.empty()) found.push_back(last);
  return found;
}

std::optional<json> number(std::string_view text) {
  const char* end = text.data() + text.size();
  std::int64_t integer = 0;
  if (const auto r = std::from_chars(text.data(), end, integer);
      r.ec == std::errc{} && r.ptr == end)
    return integer;
  double real = 0;
  if (const auto r = std::from_chars(text.data(), end, real);
      r.ec == std::errc{} && r.ptr == end && std::isfinite(real))
    return real;
  return std::nullopt;
}

}  // namespace

GinFile::GinFile(const std::filesystem::path& path) : path_(path) {
  const std::string text = read_file(path, kMaxBytes);
  const std::string name = escaped(path.native());
  const std::string_view content = recognised_content(text);
  check(content.empty() && text.find('\0') == text.npos, ErrorKind::kData, name, ": ",
        content.empty() ? "binary data" : content, ", expected a gin file");
  std::string block;  // SELECTOR of the block that the indented lines belong to
  for (const Statement& statement : Splitter(text, name).split()) {
    const std::string_view line = statement.text;
    const auto starts = [&](std::string_view word) { return line.starts_with(word); };
    if (!statement.indented) block.clear();
    if (starts("import ") || starts("from ")) continue;
    if (starts("include ")) {
      const std::string_view file = trimmed(line.substr(8));
      includes_.emplace_back(file.size() < 2 ? file : file.substr(1, file.size() - 2));
      continue;
    }
    const std::string where = name + ":" + std::to_string(statement.line) + ": ";
    const std::size_t equals = line.find('=');
    const std::string_view selector = trimmed(line.substr(0, std::min(equals, line.find(':'))));
    check(is_selector(selector), ErrorKind::kData, where, escaped(line, 40),
          ", expected NAME = VALUE");
    if (equals == line.npos) {
      check(line.ends_with(':') && !statement.indented, ErrorKind::kData, where, escaped(line, 40),
            ", expected NAME = VALUE");
      block = selector;
      continue;
    }
    const std::string_view value = trimmed(line.substr(equals + 1));
    check(!value.empty() && !line.substr(0, equals).ends_with(':'), ErrorKind::kData, where,
          escaped(line, 40), ", expected NAME = VALUE");
    const std::string full =
        block.empty() ? std::string(selector) : block + "." + std::string(selector);
    bindings_.push_back(binding_of(full, value, statement.line));
  }
}

std::optional<json> GinFile::find(std::string_view name) const {
  // By scope. A setting may be given under its full name and a shorter one.
  std::map<std::string, const GinBinding*> last;
  for (const GinBinding& binding : bindings_) {
    const std::string_view full = binding.name;
    const bool ends_so = full.size() > name.size() && full.ends_with(name) &&
                         full[full.size() - name.size() - 1] == '.';
    const bool same = full == name || (ends_so && name.find('.') != name.npos);
    if (same) last[binding.scope] = &binding;
  }
  int budget = kMaxParts;
  std::optional<json> found;
  std::size_t line = 0;
  for (const auto& [scope, binding] : last) {
    const std::optional<json> value = literal(binding->value, 0, budget);
    if (!value) continue;
    check(!found || *found == *value, ErrorKind::kData, escaped(path_.native()), ": ", name,
          " has different values in lines ", line, " and ", binding->line);
    found = value;
    line = binding->line;
  }
  return found;
}

const GinBinding* GinFile::macro(std::string_view name) const {
  const GinBinding* found = nullptr;
  for (const GinBinding& binding : bindings_)
    if (binding.name == name && binding.scope.empty()) found = &binding;
  return found;
}

std::optional<json> GinFile::literal(std::string_view text, int depth, int& budget) const {
  if (depth > kMaxDepth || text.empty() || budget-- <= 0) return std::nullopt;
  if (text == "None") return json(nullptr);
  if (text == "True" || text == "False") return json(text == "True");
  if (text.front() == '%') {
    const GinBinding* binding = macro(text.substr(1));
    return binding ? literal(binding->value, depth + 1, budget) : std::nullopt;
  }
  const char last = text.back();
  if (text.front() == '\'' || text.front() == '"') {
    const std::string_view inside = text.substr(1, text.size() - 2);
    const bool plain =
        text.size() >= 2 && last == text.front() && inside.find_first_of("\\'\"") == inside.npos;
    return plain ? std::optional(json(inside)) : std::nullopt;
  }
  if ((text.front() == '(' && last == ')') || (text.front() == '[' && last == ']')) {
    json list = json::array();
    for (const std::string_view element : elements(text.substr(1, text.size() - 2))) {
      const std::optional<json> value = literal(element, depth + 1, budget);
      if (!value) return std::nullopt;
      list.push_back(*value);
    }
    return list;
  }
  return number(text);
}

}  // namespace switchyard
