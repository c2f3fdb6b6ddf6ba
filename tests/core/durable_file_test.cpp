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

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
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
  const TempDirectory folder;
  write_text(folder / "a", "old");
  {
    DurableFile file(folder / "a");
    file.write("new");
    CHECK(read_text(folder / "a") == "old");
  }
  CHECK(read_text(folder / "a") == "old");
  CHECK(names_in(folder.path()) == Names{"a"});

  const std::string large(3'000'001, 'x');  // several buffers and a partial one
  DurableFile file(folder / "a");
  file.write(large);
  file.write("end");
  file.commit();
  CHECK(read_text(folder / "a") == large + "end");
  CHECK(names_in(folder.path()) == Names{"a"});
}

TEST_CASE("durable file: the umask decides who may read it") {
  const TempDirectory folder;
  for (const mode_t mask : {022, 077}) {
    const mode_t before = ::umask(mask);
    write_file_durably(folder / "a", "x");
    ::umask(before);
    struct stat status = {};
    REQUIRE(::stat((folder / "a").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == (0666 & ~mask));
  }
}

TEST_CASE("durable file: if writing fails, the old file stays and nothing is left behind") {
  const TempDirectory folder;
  write_text(folder / "a", "old");
  // A limit on file sizes stands in for a full disk; any of the first writes may hit it.
  for (const rlim_t limit : {0u, 1u << 20, 2u << 20}) {
    const int status = status_of_child([&] {
      ::signal(SIGXFSZ, SIG_IGN);
      const rlimit small = {limit, limit};
      ::setrlimit(RLIMIT_FSIZE, &small);
      try {
        write_file_durably(folder / "a", std::string(5'000'000, 'x'));
        return 1;
      } catch (const Error& e) {
        const std::string message = e.what();
        const std::string expected = "a: write error after " + std::to_string(limit) + " bytes: ";
        return e.kind() == ErrorKind::kRuntime && message.find(expected) != std::string::npos ? 0
                                                                                              : 2;
      }
    });
    CHECK(status == 0);
    CHECK(read_text(folder / "a") == "old");
    CHECK(names_in(folder.path()) == Names{"a"});
  }
  CHECK_THROWS_AS(write_file_durably(folder / "missing" / "a", "x"), Error);
}

TEST_CASE("durable file: a directory appears whole, replaces an old one, or leaves no trace") {
  const TempDirectory folder;
  const auto fill = [](const std::string& text) {
    return [text](const fs::path& f) {
      write_text(f / "x", text);
      fs::create_directory(f / "sub");
      write_text(f / "sub" / "y", text);
    };
  };
  write_directory_durably(folder / "c", fill("1"));
  CHECK(read_text(folder / "c" / "sub" / "y") == "1");
  write_text(folder / "c" / "more", "");
  write_directory_durably(folder / "c", fill("2"));
  CHECK(names_in(folder / "c") == Names{"sub", "x"});
  CHECK(read_text(folder / "c" / "x") == "2");
  CHECK_THROWS_AS(write_directory_durably(folder / "c",
                                          [](const fs::path& f) {
                                            write_text(f / "x", "3");
                                            fail(ErrorKind::kRuntime, "no");
                                          }),
                  Error);
  CHECK(read_text(folder / "c" / "x") == "2");
  CHECK(names_in(folder.path()) == Names{"c"});
}

TEST_CASE("durable file: links are replaced atomically") {
  const TempDirectory folder;
  replace_symlink(folder / "last", "checkpoint-1");
  replace_symlink(folder / "last", "checkpoint-2");
  CHECK(fs::read_symlink(folder / "last") == "checkpoint-2");
  CHECK(names_in(folder.path()) == Names{"last"});
}

TEST_CASE("durable file: only what a killed writer left is removed") {
  const TempDirectory folder;
  const int status = status_of_child([&] {
    DurableFile file(folder / "a");
    file.write("half");
    write_directory_durably(folder / "c", [](const fs::path& f) {
      write_text(f / "x", "half");
      ::_exit(9);
    });
    return 0;
  });
  CHECK(status == 9);
  write_text(folder / "b.tmp-notes", "");
  write_text(folder / "b", "");
  CHECK(names_in(folder.path()).size() == 4);
  remove_leftovers(folder.path());
  CHECK(names_in(folder.path()) == Names{"b", "b.tmp-notes"});
}

TEST_CASE("durable file: a directory moved aside by an interrupted replacement is restored") {
  const TempDirectory folder;
  for (const char* name : {"c.aside.tmp-12-3", "d.aside.tmp-12-4", "d"}) {
    fs::create_directory(folder / name);
    write_text(folder / name / "x", name);
  }
  remove_leftovers(folder.path());
  CHECK(names_in(folder.path()) == Names{"c", "d"});
  CHECK(read_text(folder / "c" / "x") == "c.aside.tmp-12-3");
  CHECK(read_text(folder / "d" / "x") == "d");
}

TEST_CASE("durable file: copying files, removing directories") {
  const TempDirectory folder;
  const std::string large(3'000'001, 'x');
  write_text(folder / "a", large);
  copy_file_durably(folder / "a", folder / "b");
  CHECK(read_text(folder / "b") == large);
  fs::create_directory(folder / "c");
  write_text(folder / "c" / "x", "");
  remove_directory(folder / "c");
  CHECK(names_in(folder.path()) == Names{"a", "b"});
  CHECK_THROWS_AS(remove_directory(folder / "c"), Error);
}
