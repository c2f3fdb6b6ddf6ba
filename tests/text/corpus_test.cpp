// SPDX-License-Identifier: Apache-2.0
#include "src/text/corpus.h"

#include <unistd.h>
#include <zlib.h>

#include "src/core/error.h"
#include "src/core/file.h"
#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"
#include "tests/text/small_tokenizer.h"

using namespace switchyard;

namespace {

struct Files : TempDirectory {
  fs::path write(const std::string& name, const std::string& bytes) const {
    write_text(path() / name, bytes);
    return path() / name;
  }
  fs::path write_gz(const std::string& name, const std::string& bytes) const {
    gzFile file = gzopen((path() / name).c_str(), "wb");
    gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size()));
    gzclose(file);
    return path() / name;
  }
};

std::string error_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    CHECK(e.kind() == ErrorKind::kData);
    return e.what();
  }
  return "no error";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("lines end at \\n only") {
  const Files files;
  using namespace std::string_literals;
  const std::string text =
      "\xEF\xBB\xBF"
      "a\r\nb\rc\n\n\u2028d\u0085\v\fe\n\0f\n\xEF\xBB\xBFg\r\r\nlast"s;
  const std::vector<std::string> lines = {
      "a", "b\rc", "", "\u2028d\u0085\v\fe", "\0f"s, "\xEF\xBB\xBFg\r", "last"};
  const fs::path plain = files.write("plain", text);
  CHECK(read_lines(plain) == lines);
  CHECK(read_lines(files.write_gz("text.gz", text)) == lines);
  CHECK(read_lines(files.write("ended", "a\nb\n")) == std::vector<std::string>{"a", "b"});
  CHECK(read_lines(files.write("empty", "")).empty());
  CHECK(read_lines(files.write("one", "\n")) == std::vector<std::string>{""});

  std::string big;
  for (int i = 0; i < 50000; ++i) big += std::string(static_cast<std::size_t>(i % 7), 'x') + "\n";
  big += std::string(300000, 'y');
  const auto big_lines = read_lines(files.write("big", big));
  CHECK(big_lines.size() == 50001);
  CHECK(big_lines[6] == "xxxxxx");
  CHECK(big_lines.back().size() == 300000);
}

TEST_CASE("files that are not text are named") {
  const Files files;
  const auto reason = [](const fs::path& path) { return error_of([&] { read_lines(path); }); };
  CHECK(has(reason(files.write("a", "\xFF\xFEh\0i\0")), "UTF-16"));
  std::string wide;
  for (int i = 0; i < 300; ++i) wide += std::string("h\0", 2);
  CHECK(has(reason(files.write("b", wide)), "UTF-16"));
  const fs::path gz = files.write_gz("c.gz", "text\n");
  fs::copy_file(gz, files.path() / "c");
  CHECK(has(reason(files.path() / "c"), "gzip"));
  CHECK(has(reason(files.write("d.gz", "text\n")), "not a gzip file"));
  std::string cut = read_file(files.write_gz("e.gz", std::string(5000, 'x') + wide));
  CHECK(has(reason(files.write("e.gz", cut.substr(0, cut.size() - 9))), "damaged gzip"));
  std::string noise;
  Rng rng(3);
  for (int i = 0; i < 4000; ++i) noise += static_cast<char>(rng.below(256));
  CHECK(has(reason(files.write("f", noise)), "looks like"));
  CHECK(has(reason("/dev/zero"), "looks like"));
  CHECK_THROWS_AS(LineReader(files.path() / "absent"), Error);
  CHECK_THROWS_AS(read_lines(files.path()), Error);
  // A few bad bytes are still text.
  CHECK(read_lines(files.write("g", "\xC0\xAF\n\xED\xA0\x80\n")).size() == 2);
}

TEST_CASE("a pipe is ready when it has a line") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  LineReader reader("/dev/fd/" + std::to_string(ends[0]));
  CHECK(!reader.ready());
  REQUIRE(::write(ends[1], "ab", 2) == 2);
  CHECK(!reader.ready());
  REQUIRE(::write(ends[1], "c\nd", 3) == 3);
  CHECK(reader.ready());
  std::string line;
  CHECK(reader.next(line));
  CHECK(line == "abc");
  CHECK(!reader.ready());
  ::close(ends[1]);
  CHECK(reader.ready());
  CHECK(reader.next(line));
  CHECK(line == "d");
  CHECK(!reader.next(line));
  CHECK(reader.lines() == 2);
  ::close(ends[0]);
}

TEST_CASE("parallel files need equally many lines") {
  const Files files;
  const fs::path two = files.write("two", "a\nb\n"), three = files.write("three", "a\nb\nc");
  CHECK(read_parallel(two, two).target[1] == "b");
  const std::string message = error_of([&] { read_parallel(two, three); });
  CAPTURE(message);
  CHECK(has(message, "two has 2 lines"));
  CHECK(has(message, "three has 3 lines"));
  const fs::path empty = files.write("empty", "");
  CHECK(has(error_of([&] { read_parallel(empty, empty); }), "0 lines"));
}

TEST_CASE("TSV rows have one tab") {
  const Files files;
  const ParallelText text = read_tsv(files.write("good", "a b\tc\n\td\n"));
  CHECK(text.source == std::vector<std::string>{"a b", ""});
  CHECK(text.target == std::vector<std::string>{"c", "d"});
  CHECK(has(error_of([&] { read_tsv(files.write("none", "a\tb\nc\n")); }), "none:2: found 0"));
  CHECK(has(error_of([&] { read_tsv(files.write("more", "a\tb\tc\n")); }), "more:1: found 2"));
}

TEST_CASE("pairs are skipped, cropped and counted") {
  const Tokenizer& t = small_tokenizer();
  ParallelText text;
  text.source = {"the train", "", "the", "the train leaves the station", "a \xFF"};
  text.target = {"die Weiche", "der", " \u3000", "heute", "a"};
  CorpusOptions options;
  options.max_length = static_cast<std::int64_t>(t.encode(text.source[3]).size()) - 1;
  Corpus corpus = encode_corpus(t, text, options, 2, "x");
  CHECK(corpus.size() == 2);
  CHECK(corpus.counts.pairs == 5);
  CHECK(corpus.counts.skipped_empty == 2);
  CHECK(corpus.counts.skipped_long == 1);
  CHECK(corpus.counts.cropped == 0);
  CHECK(corpus.counts.invalid_utf8 == 1);
  const Ids first(corpus.source[0].begin(), corpus.source[0].end());
  CHECK(first == t.encode("the train"));

  options.crop = true;
  corpus = encode_corpus(t, text, options, 1, "x");
  CHECK(corpus.size() == 3);
  CHECK(corpus.counts.cropped == 1);
  CHECK(corpus.source.length(1) == options.max_length);
  CHECK(corpus.source[1].back() == t.eos_id());
  CHECK(corpus.bounds().longest.source == options.max_length);
  CHECK(corpus.bounds().longest.target == std::ssize(t.encode("die Weiche")));
  CHECK(corpus.bounds().total.source == std::ssize(corpus.source.ids));
  CHECK(corpus.bounds().total.target == std::ssize(corpus.target.ids));

  options.source_prefix = "train: ";
  const Corpus prefixed = encode_corpus(t, text, options, 1, "x");
  CHECK(prefixed.counts.skipped_empty == 2);
  CHECK(prefixed.hash() != corpus.hash());

  text.target.assign(5, "");
  CHECK(has(error_of([&] { encode_corpus(t, text, options, 1, "x"); }), "5 with an empty side"));
}

TEST_CASE("ids do not depend on the number of threads") {
  ParallelText text{small_sentences(3000), small_sentences(3000)};
  const Corpus one = encode_corpus(small_tokenizer(), text, {}, 1, "x");
  const Corpus four = encode_corpus(small_tokenizer(), text, {}, 4, "x");
  CHECK(one.source.ids == four.source.ids);
  CHECK(one.hash() == four.hash());
}
