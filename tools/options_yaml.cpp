// SPDX-License-Identifier: Apache-2.0
#include "tools/options_yaml.h"

#include <yaml-cpp/yaml.h>

#include "src/core/error.h"

namespace switchyard {

namespace {

// Resolves a path of a config file relative to `base`; "-" and absolute paths stay as they are.
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

std::map<std::string, Values> read_yaml_options(const OptionTable& table, const std::string& yaml,
                                                const std::string& shown,
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
      check(item.first.IsScalar(), ErrorKind::kUsage, "expected an option name");
      const std::string& name = item.first.Scalar();
      const Option* option = find_option(table, "--" + name);
      if (!option)
        fail_unknown_option(table, name, item.second.IsScalar() ? item.second.Scalar() : "");
      check(option->set && option->name != "config", ErrorKind::kUsage, name,
            ": allowed only on the command line");
      Values values = scalars(name, item.second);
      if (option->is_path)
        for (auto& value : values)
          if (!value.empty()) value = resolve(base, value).string();
      check(found.emplace(option->name, values).second, ErrorKind::kUsage, name, ": given twice");
    });
  }
  return found;
}

std::string settings_yaml(const OptionTable& table) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  for (const Option& option : table) {
    if (!option.get || option.name == "config") continue;
    Values values = option.get();
    if (values.empty()) continue;
    if (option.is_path)
      for (auto& value : values)
        if (value != "-") value = std::filesystem::absolute(value).string();
    out << YAML::Key << option.name << YAML::Value;
    if (option.is_list)
      out << YAML::Flow << values;
    else
      out << values.front();
  }
  out << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace switchyard
