#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "check.h"
#include "files_dir.h"
#include "mandelbrot.h"

namespace taskflow_tasks {
namespace {

namespace fs = std::filesystem;

TEST("points of the Mandelbrot set never escape, others do") {
  expectEqual(escapeTime(0, 0, 1'000), 1'000);
  expectEqual(escapeTime(-1, 0, 1'000), 1'000);
  expectEqual(escapeTime(-2, 0, 1'000), 1'000);
  // 0, 1, 2, 5: the fourth is outside.
  expectEqual(escapeTime(1, 0, 1'000), 3);
  expectEqual(escapeTime(2, 2, 1'000), 1);
}

TEST("base64 is as RFC 4648 shows it") {
  for (const auto& [bytes, text] : std::vector<std::pair<const char*, const char*>>{
           {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}}) {
    expectEqual(base64(bytes), text);
  }
  expectEqual(base64("\xff\xff\xbe"), "//++");
}

/** A folder with files inside and beside it, removed at the end. */
class Folder {
 public:
  Folder() {
    auto name = (fs::temp_directory_path() / "taskflow-cpp-XXXXXX").string();
    home_ = mkdtemp(name.data());
    fs::create_directories(files() / "inner");
    std::ofstream(home_ / "secret") << "secret";
    std::ofstream(files() / "inner" / "a") << "hello";
    fs::create_symlink(home_ / "secret", files() / "link");
    fs::create_directory_symlink(home_, files() / "up");
    fs::create_symlink("inner/a", files() / "inner-link");
    mkfifo((files() / "pipe").c_str(), 0600);
  }
  ~Folder() { fs::remove_all(home_); }

  fs::path files() const { return home_ / "files"; }
  fs::path home() const { return home_; }

 private:
  fs::path home_;
};

std::string contentOf(File file) {
  char bytes[100];
  return std::string(bytes, file.read(bytes, sizeof bytes));
}

std::string codeFor(const std::string& folder, const std::string& file) {
  return expectThrow<taskflow::DoNotRetry>([&] { openInside(folder, file); }).code();
}

TEST("files inside the folder can be read, through links as well") {
  const Folder folder;
  for (const auto& file : {std::string("inner/a"), std::string("./inner/../inner/a"), std::string("inner-link"),
                           (folder.files() / "inner/a").string()}) {
    expectEqual(contentOf(openInside(folder.files(), file)), "hello");
  }
  expectEqual(contentOf(openInside(folder.files().string() + "/", "inner/a")), "hello");
}

TEST("the folder cannot be left") {
  const Folder folder;
  for (const auto& file : {std::string("../secret"), (folder.home() / "secret").string(), std::string("/etc/passwd"),
                           std::string("link"), std::string("up/secret"), std::string("a\0b", 3), std::string(".."),
                           std::string("../missing"), std::string("../filesx")}) {
    expectEqual(codeFor(folder.files(), file), "FILE_OUTSIDE");
  }
}

TEST("what is no file is refused, and a pipe holds nobody up") {
  const Folder folder;
  expectEqual(codeFor(folder.files(), "missing"), "FILE_NOT_FOUND");
  expectEqual(codeFor(folder.files(), "inner"), "NOT_A_FILE");
  expectEqual(codeFor(folder.files(), ""), "NOT_A_FILE");
  expectEqual(codeFor(folder.files(), "pipe"), "NOT_A_FILE");
  expectEqual(codeFor(folder.files(), "inner/a/b"), "FILE_NOT_FOUND");
  expectEqual(codeFor("", "inner/a"), "FILES_DIR_NOT_SET");
  expectEqual(codeFor(folder.home() / "gone", "a"), "FILE_NOT_FOUND");
}

}  // namespace
}  // namespace taskflow_tasks
