// SPDX-License-Identifier: Apache-2.0
// Options as YAML: config files, presets, and the settings of a run.
#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "src/core/error.h"
#include "src/core/file.h"
#include "tools/options.h"

namespace switchyard {

namespace {

using Values = std::vector<std::string>;

// Where a config file's relative paths start; empty on the command line.
std::filesystem::path resolve(const std::filesystem::path& base, const std::string& value) {
  const std::filesystem::path path(value);
  return base.empty() || path.is_absolute() || value == "-" ? path : base / path;
}

Values scalars(const std::string& name, const YAML::Node& node) {
  Values values;
  if (node.IsScalar()) {
    values.push_back(node.Scalar());
  } else if (node.IsSequence()) {
    for (const auto& item : node) {
      check(item.IsScalar(), ErrorKind::kUsage, name, ": expected a list of plain values");
      values.push_back(item.Scalar());
    }
  } else {
    fail(ErrorKind::kUsage, name, ": expected a value or a list of values");
  }
  return values;
}

}  // namespace

std::map<std::string, Values> Options::read_yaml(const std::string& yaml, const std::string& shown,
                                                 const std::filesystem::path& base) {
  YAML::Node root;
  try {
    root = YAML::Load(yaml);
  } catch (const YAML::Exception& e) {
    fail(ErrorKind::kUsage, shown, ":", e.mark.line + 1, ":", e.mark.column + 1, ": ", e.msg);
  }
  std::map<std::string, Values> found;
  if (root.IsNull()) return found;
  check(root.IsMap(), ErrorKind::kUsage, shown, ": expected lines of 'option: value'");
  for (const auto& item : root) {
    const std::string where = shown + ":" + std::to_string(item.first.Mark().line + 1);
    with_context(where, [&] {
      check(item.first.IsScalar(), ErrorKind::kUsage, "expected an option's name");
      std::string name = item.first.Scalar();
      std::replace(name.begin(), name.end(), '_', '-');
      const auto alias = aliases_.find("--" + name);
      const Entry& entry = find(alias != aliases_.end() ? alias->second : name, name,
                                item.second.IsScalar() ? item.second.Scalar() : "");
      check(entry.set && entry.name != "config", ErrorKind::kUsage, name,
            ": only for the command line");
      Values values = scalars(name, item.second);
      if (entry.is_path)
        for (auto& value : values)
          if (!value.empty()) value = resolve(base, value).string();
      check(found.emplace(entry.name, values).second, ErrorKind::kUsage, name, ": given twice");
    });
  }
  return found;
}

void Options::read_config(const std::filesystem::path& file) {
  const std::string shown = escaped(file.string());
  const auto found =
      read_yaml(read_file(file, 1 << 20), shown, std::filesystem::absolute(file).parent_path());
  with_context(shown, [&] { apply(found); });
}

void Options::fill(const std::string& yaml, const std::string& shown) {
  for (const auto& [name, values] : read_yaml(yaml, shown, {})) {
    Entry& entry = find(name, name);
    if (!entry.given) with_context(shown, [&, &values = values] { set(entry, values); });
  }
}

std::string Options::to_yaml() const {
  YAML::Emitter out;
  out << YAML::BeginMap;
  for (const Entry& entry : entries_) {
    if (!entry.get || entry.name == "config") continue;
    Values values = entry.get();
    if (values.empty()) continue;
    if (entry.is_path)
      for (auto& value : values)
        if (value != "-") value = std::filesystem::absolute(value).string();
    out << YAML::Key << entry.name << YAML::Value;
    if (entry.is_list)
      out << YAML::Flow << values;
    else
      out << values.front();
  }
  out << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace switchyard
