// SPDX-License-Identifier: Apache-2.0
// Options fill variables, each from the source with the highest precedence, and write them as YAML.
#include "tools/options.h"

#include <fstream>

#include "src/core/error.h"
#include "tests/support/catch.h"

using namespace switchyard;

namespace {

enum class Color { red, green };

struct Config {
  std::int64_t size = 1, best = 0;
  bool fast = false, reload = true;
  Color color = Color::green;
  std::string preset = "small";
  std::int64_t hours = 2;
  float first = 0.5f, second = 0.25f, third = 0;
};

std::string preset_yaml(const std::string& name) {
  return name == "small" ? "size: 10\nhours: 3h\n" : "size: 20\ncolor: red\n";
}

std::int64_t parse_hours(const std::string& option, const std::string& text) {
  check(text.ends_with('h'), ErrorKind::kUsage, "--", option, ": found '", text, "'");
  return parse_number<std::int64_t>(option, text.substr(0, text.size() - 1), 0, 100);
}

void declare(Options& options, Config& c) {
  options.group("All");
  options.number<std::int64_t>("size", c.size, 0, 1000, "");
  options.flag("fast", c.fast, "");
  options.action("no-reload", c.reload, "");
  options.flag_number("best", c.best, 5, 1, 9, "");
  options.choice("color", c.color, {{"red", Color::red}, {"green", Color::green}}, "");
  options.parsed("time", c.hours, parse_hours, "2h", "TIME", "");
  options.alias("--hours", "time");
  options.numbers("rates", {&c.first, &c.second, &c.third}, 0, 1, "", 2);
  options.preset("preset", c.preset, {"small", "large"}, preset_yaml, "");
}

Config parsed(std::vector<const char*> argv, std::string* yaml = nullptr) {
  Config c;
  Options options({"tool", "", ""});
  declare(options, c);
  argv.insert(argv.begin(), "tool");
  argv.push_back("--threads=1");
  const bool goes_on = options.parse(static_cast<int>(argv.size()), argv.data());
  CHECK(goes_on);
  if (yaml) *yaml = options.to_yaml();
  return c;
}

}  // namespace

TEST_CASE("options: the command line overrides a config file, and that a preset") {
  CHECK(parsed({}).size == 10);
  CHECK(parsed({}).hours == 3);
  CHECK(parsed({"--preset", "large"}).size == 20);
  CHECK(parsed({"--preset", "large"}).color == Color::red);
  CHECK(parsed({"--preset", "large"}).hours == 2);
  const auto file = std::filesystem::temp_directory_path() / "switchyard_options_test.yml";
  std::ofstream(file) << "preset: large\nsize: 30\nhours: 7h\n";
  const std::string config = "--config=" + file.string();
  CHECK(parsed({config.c_str()}).size == 30);
  CHECK(parsed({config.c_str()}).color == Color::red);
  CHECK(parsed({"--size=40", config.c_str()}).size == 40);
  CHECK(parsed({"--size=40", config.c_str()}).hours == 7);
  std::filesystem::remove(file);
}

TEST_CASE("options: each kind fills its variable") {
  const Config c =
      parsed({"--fast", "--no-reload", "--best", "--color=red", "--rates", "1", "0.5", "0.125"});
  CHECK((c.fast && !c.reload && c.best == 5 && c.color == Color::red));
  CHECK((c.first == 1 && c.second == 0.5f && c.third == 0.125f));
  CHECK((!parsed({"--fast=no"}).fast && parsed({"--no-reload=false"}).reload));
  CHECK(parsed({"--best", "3"}).best == 3);
  CHECK(parsed({"--rates", "1", "1"}).third == 0);
  for (const char* bad : {"--rates=1", "--color=blue", "--time=3", "--fast=2", "--size=1001"})
    CHECK_THROWS_AS(parsed({bad}), Error);
}

TEST_CASE("options: YAML says each value as it was given") {
  std::string yaml;
  parsed({"--time", "007h", "--no-reload"}, &yaml);
  for (const char* line : {"time: 007h\n", "size: 10\n", "rates: [0.5, 0.25]\n", "color: green\n",
                           "preset: small\n", "fast: false\n"})
    CHECK(yaml.find(line) != std::string::npos);
  CHECK(yaml.find("reload") == std::string::npos);
}
