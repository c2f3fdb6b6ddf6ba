// SPDX-License-Identifier: Apache-2.0
#include "src/core/durable_file.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "src/core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temp_directory.h"

using namespace switchyard;

namespace {

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

using Names = std::vector<std::string>;

// The exit status of `f`, run in a child process.
template <class F>
int status_of_child(F&& f) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(f());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("durable file: it replaces the old file on commit, not before") {
  const TempDirectory directory;
  write_text(directory / "a", "old");
  {
    DurableFile file(directory / "a");
    file.write("new");
    CHECK(read_text(directory / "a") == "old");
  }
  CHECK(read_text(directory / "a") == "old");
  CHECK(names_in(directory.path()) == Names{"a"});

  const std::string large(3'000'001, 'x');  // several buffers and a partial one
  DurableFile file(directory / "a");
  file.write(large);
  file.write("end");
  file.commit();
  CHECK(read_text(directory / "a") == large + "end");
  CHECK(names_in(directory.path()) == Names{"a"});
}

TEST_CASE("durable file: the umask decides who may read it") {
  const TempDirectory directory;
  for (const mode_t mask : {022, 077}) {
    const mode_t before = ::umask(mask);
    write_file_durably(directory / "a", "x");
    ::umask(before);
    struct stat status = {};
    REQUIRE(::stat((directory / "a").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == (0666 & ~mask));
  }
}

TEST_CASE("durable file: if writing fails, the old file stays and nothing is left behind") {
  const TempDirectory directory;
  write_text(directory / "a", "old");
  // A limit on file sizes stands in for a full disk; any of the first writes may hit it.
  for (const rlim_t limit : {0u, 1u << 20, 2u << 20}) {
    const int status = status_of_child([&] {
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit small = {limit, limit};
      ::setrlimit(RLIMIT_FSIZE, &small);
      try {
        write_file_durably(directory / "a", std::string(5'000'000, 'x'));
        return 1;
      } catch (const Error& e) {
        const std::string message = e.what();
        const std::string expected = "a: write error after " + std::to_string(limit) + " bytes: ";
        return e.kind() == ErrorKind::kRuntime && message.find(expected) != std::string::npos ? 0
                                                                                              : 2;
      }
    });
    CHECK(status == 0);
    CHECK(read_text(directory / "a") == "old");
    CHECK(names_in(directory.path()) == Names{"a"});
  }
  CHECK_THROWS_AS(write_file_durably(directory / "missing" / "a", "x"), Error);
}

TEST_CASE("durable file: a directory appears whole, replaces an old one, or leaves no trace") {
  const TempDirectory directory;
  const auto fill = [](const std::string& text) {
    return [text](const fs::path& f) {
      write_text(f / "x", text);
      fs::create_directory(f / "sub");
      write_text(f / "sub" / "y", text);
    };
  };
  write_directory_durably(directory / "c", fill("1"));
  CHECK(read_text(directory / "c" / "sub" / "y") == "1");
  write_text(directory / "c" / "more", "");
  write_directory_durably(directory / "c", fill("2"));
  CHECK(names_in(directory / "c") == Names{"sub", "x"});
  CHECK(read_text(directory / "c" / "x") == "2");
  CHECK_THROWS_AS(write_directory_durably(directory / "c",
                                          [](const fs::path& f) {
                                            write_text(f / "x", "3");
                                            fail(ErrorKind::kRuntime, "no");
                                          }),
                  Error);
  CHECK(read_text(directory / "c" / "x") == "2");
  CHECK(names_in(directory.path()) == Names{"c"});
}

TEST_CASE("durable file: links are replaced atomically") {
  const TempDirectory directory;
  replace_symlink(directory / "last", "checkpoint-1");
  replace_symlink(directory / "last", "checkpoint-2");
  CHECK(fs::read_symlink(directory / "last") == "checkpoint-2");
  CHECK(names_in(directory.path()) == Names{"last"});
}

TEST_CASE("durable file: only what a killed writer left is removed") {
  const TempDirectory directory;
  const int status = status_of_child([&] {
    DurableFile file(directory / "a");
    file.write("half");
    write_directory_durably(directory / "c", [](const fs::path& f) {
      write_text(f / "x", "half");
      ::_exit(9);
    });
    return 0;
  });
  CHECK(status == 9);
  write_text(directory / "b.tmp-notes", "");
  write_text(directory / "b", "");
  CHECK(names_in(directory.path()).size() == 4);
  remove_leftovers(directory.path());
  CHECK(names_in(directory.path()) == Names{"b", "b.tmp-notes"});
}

TEST_CASE("durable file: a directory moved aside by an interrupted replacement is restored") {
  const TempDirectory directory;
  for (const char* name : {"c.aside.tmp-12-3", "d.aside.tmp-12-4", "d"}) {
    fs::create_directory(directory / name);
    write_text(directory / name / "x", name);
  }
  remove_leftovers(directory.path());
  CHECK(names_in(directory.path()) == Names{"c", "d"});
  CHECK(read_text(directory / "c" / "x") == "c.aside.tmp-12-3");
  CHECK(read_text(directory / "d" / "x") == "d");
}

TEST_CASE("durable file: copying files, removing directories") {
  const TempDirectory directory;
  const std::string large(3'000'001, 'x');
  write_text(directory / "a", large);
  copy_file_durably(directory / "a", directory / "b");
  CHECK(read_text(directory / "b") == large);
  fs::create_directory(directory / "c");
  write_text(directory / "c" / "x", "");
  remove_directory(directory / "c");
  CHECK(names_in(directory.path()) == Names{"a", "b"});
  CHECK_THROWS_AS(remove_directory(directory / "c"), Error);
}
