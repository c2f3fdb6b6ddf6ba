// SPDX-License-Identifier: Apache-2.0
// How arguments are sorted by option: spellings, attached and following values, lists, and
// arguments without a name.
#include "tools/command_line.h"

#include "src/core/error.h"
#include "tests/support/catch.h"

using namespace switchyard;

namespace {

Option row(std::string name) {
  Option option;
  option.name = std::move(name);
  return option;
}

OptionTable table() {
  Option model = row("model"), beam = row("beam-size"), quiet = row("quiet"), best = row("n-best"),
         sets = row("train-sets"), metrics = row("metrics");
  model.letter = 'm';
  model.metavar = "DIR";
  beam.aliases = {"--beam", "-bs"};
  quiet.is_flag = true;
  best.is_flag = best.is_count = true;
  sets.is_list = metrics.is_list = true;
  metrics.choices = {"bleu", "chrf"};
  return {model, beam, quiet, best, sets, metrics};
}

OptionTable table_with_positional() {
  OptionTable options = table();
  options.push_back(row("references"));
  options.back().is_list = options.back().is_positional = true;
  return options;
}

std::map<std::string, Values> parsed(const OptionTable& options, std::vector<const char*> argv) {
  argv.insert(argv.begin(), "tool");
  return parse_command_line({"tool", "REF", ""}, options, static_cast<int>(argv.size()),
                            argv.data());
}

std::string refused(const OptionTable& options, std::vector<const char*> argv) {
  try {
    parsed(options, std::move(argv));
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kUsage);
    return e.what();
  }
  return "accepted";
}

using Found = std::map<std::string, Values>;

}  // namespace

TEST_CASE("command line: all spellings of an option are the same") {
  const Found expected = {{"beam-size", {"4"}}};
  for (const auto& argv : std::vector<std::vector<const char*>>{{"--beam-size", "4"},
                                                                {"--beam-size=4"},
                                                                {"--beam_size", "4"},
                                                                {"--beam_size=4"},
                                                                {"--beam", "4"},
                                                                {"--beam=4"},
                                                                {"-bs", "4"},
                                                                {"-bs=4"}})
    CHECK(parsed(table(), argv) == expected);
  CHECK(parsed(table(), {"-m=a=b"}) == Found{{"model", {"a=b"}}});
}

TEST_CASE("command line: values") {
  CHECK(parsed(table(), {}).empty());
  CHECK(parsed(table(), {"--model="}) == Found{{"model", {""}}});
  CHECK(parsed(table(), {"--model", ""}) == Found{{"model", {""}}});
  CHECK(parsed(table(), {"--model", "-"}) == Found{{"model", {"-"}}});
  CHECK(parsed(table(), {"--beam-size", "-1"}) == Found{{"beam-size", {"-1"}}});
  CHECK(parsed(table(), {"--model=--quiet"}) == Found{{"model", {"--quiet"}}});
  CHECK(parsed(table(), {"--beam=1", "--beam=2"}) == Found{{"beam-size", {"1", "2"}}});
  CHECK(refused(table(), {"--model"}) == "--model: a value is missing, expected DIR");
  for (const char* next : {"--quiet", "-m", "--", "--no-such"})
    CHECK(refused(table(), {"--model", next}) == "--model: a value is missing, expected DIR");
}

TEST_CASE("command line: a flag takes a value only if it is attached, a count also a number") {
  const OptionTable options = table_with_positional();
  CHECK(parsed(options, {"--quiet", "a"}) == Found{{"quiet", {"true"}}, {"references", {"a"}}});
  CHECK(parsed(options, {"--quiet=no", "a"}) == Found{{"quiet", {"no"}}, {"references", {"a"}}});
  CHECK(parsed(table(), {"--n-best", "--quiet"}) ==
        Found{{"n-best", {"true"}}, {"quiet", {"true"}}});
  CHECK(parsed(table(), {"--n-best", "3"}) == Found{{"n-best", {"3"}}});
  CHECK(parsed(table(), {"--n-best=3"}) == Found{{"n-best", {"3"}}});
  CHECK(parsed(options, {"--n-best", "a"}) == Found{{"n-best", {"true"}}, {"references", {"a"}}});
}

TEST_CASE("command line: lists end at the next option") {
  const Found both = {{"train-sets", {"a", "b"}}, {"quiet", {"true"}}};
  CHECK(parsed(table(), {"--train-sets", "a", "b", "--quiet"}) == both);
  CHECK(parsed(table(), {"--train-sets=a", "b", "--quiet"}) == both);
  CHECK(parsed(table(), {"--train-sets", "a", "--quiet", "--train-sets", "b"}) == both);
  CHECK(parsed(table(), {"--train-sets", "1", "-2", "-.5"}) ==
        Found{{"train-sets", {"1", "-2", "-.5"}}});
}

TEST_CASE("command line: arguments without a name") {
  const OptionTable options = table_with_positional();
  CHECK(parsed(options, {"a", "--quiet", "b"}) ==
        Found{{"quiet", {"true"}}, {"references", {"a", "b"}}});
  CHECK(parsed(options, {"--metrics", "bleu", "--", "-m", "--"}) ==
        Found{{"metrics", {"bleu"}}, {"references", {"-m", "--"}}});
  CHECK(refused(table(), {"a"}) == "'a': unexpected argument, expected: tool REF");
  CHECK(refused(options, {"--metrics", "bleu", "a"}) ==
        "--metrics: found 'a', expected one of: bleu, chrf; a file name must come first: tool "
        "REF");
}

TEST_CASE("command line: unknown options") {
  CHECK(refused(table(), {"--modle=3"}) == "unknown option '--modle=3'; did you mean --model?");
  CHECK(refused(table(), {"-mDIR"}) == "unknown option '-mDIR'; --help-all lists every option");
  CHECK(refused(table(), {"--num_beams", "3"}) ==
        "unknown option '--num_beams'; use --beam-size 3");
  CHECK(refused(table(), {"--num-beams=3"}) == "unknown option '--num-beams=3'; use --beam-size 3");
}
