#pragma once

#include <string>

namespace taskflow_tasks {

/** An open file, closed at the end. */
class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;

  int fd() const { return fd_; }
  /** In bytes. */
  std::size_t size() const;
  /** @returns how many bytes were read; 0 at the end. @throws std::system_error */
  std::size_t read(char* buffer, std::size_t size);

 private:
  int fd_;
};

/**
 * Opens a file that a payload names, and refuses whatever is not inside the folder: other paths, and symbolic links that lead
 * out of it, also those that are set while it looks.
 *
 * @param filesDir the folder that tasks may read from; empty: none
 * @param file a path relative to it
 * @throws DoNotRetry FILES_DIR_NOT_SET, FILE_OUTSIDE, FILE_NOT_FOUND or NOT_A_FILE; std::system_error
 */
File openInside(const std::string& filesDir, const std::string& file);

}  // namespace taskflow_tasks
