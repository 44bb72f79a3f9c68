#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>

namespace taskflow {

class Attempt;
class SideReporter;

/** Why a handler is to stop. */
enum class StopReason {
  none,
  /** Somebody cancelled the task. However the attempt ends now, the task is CANCELLED. */
  cancelled,
  /** The attempt took longer than the task's timeoutMs. */
  timedOut,
  /** Another worker may have the task by now, so whatever is done here is in vain. */
  leaseLost,
  /** The worker shuts down, and the task is handed back. */
  shuttingDown,
};

enum class LogLevel { debug, info, warn, error };

/** Thrown by throwIfStopped() and sleep(). Handlers let it pass. */
class Stopped : public std::runtime_error {
 public:
  explicit Stopped(StopReason reason);
};

/** What a handler is given. Its functions may be called from any thread until the handler has returned. */
class Context {
 public:
  Context(Attempt& attempt, nlohmann::json payload, std::shared_ptr<SideReporter> side);

  const nlohmann::json& payload() const { return payload_; }
  const std::string& taskId() const;
  /** Counted from 1. */
  std::int64_t attempt() const;
  std::int64_t maxAttempts() const;
  const std::string& ownerId() const;
  const std::string& queue() const;
  /**
   * What became of the tasks that this one waited for, by their names in the flow, or their ids: objects with `taskId`,
   * `status`, and `result` (null and `isOmitted` where all together were too large) or `error`.
   */
  nlohmann::json parents() const;
  /** W3C Trace Context, for what the handler asks elsewhere; empty where its task is not traced. */
  const std::string& traceparent() const;

  /**
   * Stops when going on is pointless; stopReason() says why. A handler that ends soon after loses nothing. Callbacks that are
   * registered with the token run in the thread that serves all tasks: they must not block.
   */
  std::stop_token stopToken() const;
  StopReason stopReason() const;
  bool isStopped() const { return stopToken().stop_requested(); }
  /** @throws Stopped when the handler is to stop */
  void throwIfStopped() const;
  /** Sleeps. @throws Stopped as soon as the handler is to stop */
  void sleep(std::chrono::milliseconds duration) const;

  /**
   * Says how far the attempt is. Subscribers get it live, at most ten times a second; the last value is kept with the task.
   *
   * @param percent 0 to 100
   * @param detail null for none
   */
  void progress(double percent, const nlohmann::json& detail = nullptr);

  /**
   * Keeps a line with the task, where its owner reads it, live or later. At most 1,000 lines of an attempt are kept, of about
   * 8,000 characters each.
   *
   * @param fields an object; null for none
   */
  void log(LogLevel level, std::string_view message, const nlohmann::json& fields = nullptr);

 private:
  Attempt& attempt_;
  const nlohmann::json payload_;
  const std::shared_ptr<SideReporter> side_;
};

}  // namespace taskflow
