#include "files_dir.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <taskflow/task.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

namespace taskflow_tasks {
namespace {

namespace fs = std::filesystem;

bool isInside(const fs::path& folder, const fs::path& path) {
  const auto way = path.lexically_relative(folder);
  return !way.empty() && *way.begin() != "..";
}

taskflow::DoNotRetry outside(const std::string& file) {
  return taskflow::DoNotRetry("\"" + file + "\" is outside the folder that tasks may read from", "FILE_OUTSIDE");
}

taskflow::DoNotRetry notFound(const std::string& name) {
  return taskflow::DoNotRetry("there is no file \"" + name + "\"", "FILE_NOT_FOUND");
}

[[noreturn]] void fail(int error, const std::string& name) {
  if (error == ENOENT || error == ENOTDIR || error == ELOOP) throw notFound(name);
  throw std::system_error(error, std::generic_category(), name);
}

/** @param name what errors call it: absolute paths of the worker's machine are not the submitter's business */
fs::path follow(const fs::path& path, const std::string& name) {
  std::error_code error;
  const auto real = fs::canonical(path, error);
  if (error) fail(error.value(), name);
  return real;
}

/** Opens a path that has no symbolic links; one that was put there since is not followed. */
File openWithoutLinks(const fs::path& folder, const fs::path& path, const std::string& name) {
  File file(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.fd() < 0) fail(errno, "FILES_DIR");
  for (const auto& part : path.lexically_relative(folder)) {
    // Opening a pipe waits for its writer, unless told not to.
    File next(openat(file.fd(), part.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (next.fd() < 0) fail(errno, name);
    std::swap(file, next);
  }
  return file;
}

}  // namespace

File::~File() {
  if (fd_ >= 0) close(fd_);
}

File::File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

File& File::operator=(File&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

std::size_t File::size() const {
  struct stat status {};
  if (fstat(fd_, &status) != 0) throw std::system_error(errno, std::generic_category(), "fstat");
  return static_cast<std::size_t>(status.st_size);
}

std::size_t File::read(char* buffer, std::size_t size) {
  while (true) {
    const auto count = ::read(fd_, buffer, size);
    if (count >= 0) return static_cast<std::size_t>(count);
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "read");
  }
}

File openInside(const std::string& filesDir, const std::string& file) {
  if (filesDir.empty()) {
    throw taskflow::DoNotRetry("this worker may read no files: FILES_DIR is not set", "FILES_DIR_NOT_SET");
  }
  const auto folder = fs::absolute(filesDir).lexically_normal();
  const auto path = (folder / file).lexically_normal();
  // Looked at before the disk is: from the answer, nobody shall learn which files exist elsewhere.
  if (file.find('\0') != std::string::npos || !isInside(folder, path)) throw outside(file);
  const auto realFolder = follow(folder, "FILES_DIR");
  const auto realPath = follow(path, file);
  if (!isInside(realFolder, realPath)) throw outside(file);
  auto opened = openWithoutLinks(realFolder, realPath, file);
  struct stat status {};
  if (fstat(opened.fd(), &status) != 0) fail(errno, file);
  if (!S_ISREG(status.st_mode)) throw taskflow::DoNotRetry("\"" + file + "\" is not a file", "NOT_A_FILE");
  return opened;
}

}  // namespace taskflow_tasks
