// SPDX-License-Identifier: Apache-2.0
#include "src/core/file.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "src/core/error.h"
#include "tests/support/catch.h"
#include "tests/support/temp_folder.h"

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

// The exit status of `f`, run in a process of its own.
template <class F>
int status_of_child(F&& f) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(f());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("file: sizes are multiplied and added with a check") {
  const std::size_t large = ~std::size_t{0};
  CHECK(checked_mul(6, 7, "x") == 42);
  CHECK(checked_add(large - 1, 1, "x") == large);
  CHECK_THROWS_AS(checked_mul(large / 2, 3, "x"), Error);
  CHECK_THROWS_AS(checked_add(large, 1, "x"), Error);
}

TEST_CASE("file: a regular file is read, an empty one too") {
  const TempFolder folder;
  write_text(folder / "a", "hello");
  write_text(folder / "empty", "");
  const InputFile file(folder / "a");
  CHECK(file.size_bytes() == 5);
  std::string text(3, ' ');
  file.read(1, std::as_writable_bytes(std::span(text)));
  CHECK(text == "ell");
  CHECK_THROWS_AS(file.read(3, std::as_writable_bytes(std::span(text))), Error);
  CHECK(read_file(folder / "empty").empty());
  CHECK(read_file(folder / "a") == "hello");
  CHECK_THROWS_AS(read_file(folder / "a", 4), Error);
}

TEST_CASE("file: what is no regular file is refused at once") {
  const TempFolder folder;
  REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
  fs::create_symlink("nowhere", folder / "dangling");
  for (const fs::path& path : {folder / "fifo", folder / "dangling", folder / "missing",
                               folder.path(), fs::path("/dev/zero")}) {
    CAPTURE(path.string());
    CHECK_THROWS_AS(InputFile(path), Error);
    CHECK_THROWS_AS(read_file(path), Error);
  }
}

TEST_CASE("file: a durable file replaces the old one when committed, not before") {
  const TempFolder folder;
  write_text(folder / "a", "old");
  {
    DurableFile file(folder / "a");
    file.write("new");
    CHECK(read_text(folder / "a") == "old");
  }
  CHECK(read_text(folder / "a") == "old");
  CHECK(names_in(folder.path()) == Names{"a"});

  const std::string large(3'000'001, 'x');  // several buffers, and a rest
  DurableFile file(folder / "a");
  file.write(large);
  file.write("end");
  file.commit();
  CHECK(read_text(folder / "a") == large + "end");
  CHECK(names_in(folder.path()) == Names{"a"});
}

TEST_CASE("file: the mask of the process decides who may read what is written") {
  const TempFolder folder;
  for (const mode_t mask : {022, 077}) {
    const mode_t before = ::umask(mask);
    write_file_durably(folder / "a", "x");
    ::umask(before);
    struct stat status = {};
    REQUIRE(::stat((folder / "a").c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == (0666 & ~mask));
  }
}

TEST_CASE("file: where writing fails the old file stays and nothing is left over") {
  const TempFolder folder;
  write_text(folder / "a", "old");
  // A limit on file sizes stands for the full disk; each of the first writes may be the one.
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

TEST_CASE("file: a folder appears whole, replaces one, or leaves no trace") {
  const TempFolder folder;
  const auto fill = [](const std::string& text) {
    return [text](const fs::path& f) {
      write_text(f / "x", text);
      fs::create_directory(f / "sub");
      write_text(f / "sub" / "y", text);
    };
  };
  write_folder_durably(folder / "c", fill("1"));
  CHECK(read_text(folder / "c" / "sub" / "y") == "1");
  write_text(folder / "c" / "more", "");
  write_folder_durably(folder / "c", fill("2"));
  CHECK(names_in(folder / "c") == Names{"sub", "x"});
  CHECK(read_text(folder / "c" / "x") == "2");
  CHECK_THROWS_AS(write_folder_durably(folder / "c",
                                       [](const fs::path& f) {
                                         write_text(f / "x", "3");
                                         fail(ErrorKind::kRuntime, "no");
                                       }),
                  Error);
  CHECK(read_text(folder / "c" / "x") == "2");
  CHECK(names_in(folder.path()) == Names{"c"});
}

TEST_CASE("file: links are replaced in one step") {
  const TempFolder folder;
  replace_symlink(folder / "last", "checkpoint-1");
  replace_symlink(folder / "last", "checkpoint-2");
  CHECK(fs::read_symlink(folder / "last") == "checkpoint-2");
  CHECK(names_in(folder.path()) == Names{"last"});
}

TEST_CASE("file: what a killed writer leaves is removed, and nothing else") {
  const TempFolder folder;
  const int status = status_of_child([&] {
    DurableFile file(folder / "a");
    file.write("half");
    write_folder_durably(folder / "c", [](const fs::path& f) {
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
