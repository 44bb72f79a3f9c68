#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>

namespace taskflow {

class Context;

/** Returns the result, or throws: any exception is retried with backoff while attempts are left, see also the ones below. */
using Handler = std::function<nlohmann::json(Context&)>;

/** A task type that a worker can run. */
struct TaskDefinition {
  /** 1 to 128 characters out of a-z, A-Z, 0-9 and "._:-". */
  std::string type;
  /** Called in a thread of its own, from many threads at once. */
  Handler handler;
  /**
   * JSON Schema (draft 2020-12) of the payload. The API refuses submissions that do not fit; it is not checked again here.
   * Default: anything.
   */
  nlohmann::json payloadSchema = nullptr;
  /**
   * Of tasks that do not say: an object with, as it likes, `timeoutMs`, `backoff` (as docs/worker-protocol.md has it) and
   * `maxAttempts`.
   */
  nlohmann::json defaults = nlohmann::json::object();
};

/** An error with a stable code for programs. Another attempt may help. */
class TaskError : public std::runtime_error {
 public:
  explicit TaskError(const std::string& message, std::string code = "")
      : std::runtime_error(message), code_(std::move(code)) {}

  /** Empty for none. */
  const std::string& code() const { return code_; }

 private:
  std::string code_;
};

/** Thrown by a handler whose task would fail again: the task ends at once as a dead letter. */
class DoNotRetry : public TaskError {
 public:
  using TaskError::TaskError;
};

/** Thrown by a handler that knows when trying again makes sense. */
class RetryAfter : public TaskError {
 public:
  /** @param delay until the next attempt, at least; a negative one counts as none */
  RetryAfter(const std::string& message, std::chrono::milliseconds delay, std::string code = "")
      : TaskError(message, std::move(code)), delay_(std::max(delay, std::chrono::milliseconds(0))) {}

  std::chrono::milliseconds delay() const { return delay_; }

 private:
  std::chrono::milliseconds delay_;
};

}  // namespace taskflow
