#include "taskflow/context.h"

#include <condition_variable>
#include <mutex>

#include "attempt.h"
#include "side_reporter.h"

namespace taskflow {
namespace {

const char* describe(StopReason reason) {
  switch (reason) {
    case StopReason::none: return "the handler was not told to stop";
    case StopReason::cancelled: return "the task was cancelled";
    case StopReason::timedOut: return "the attempt did not end in time";
    case StopReason::leaseLost: return "the lease of this attempt was lost";
    case StopReason::shuttingDown: return "the worker shuts down";
  }
  return "";
}

}  // namespace

Stopped::Stopped(StopReason reason) : std::runtime_error(describe(reason)) {}

Context::Context(Attempt& attempt, nlohmann::json payload, std::shared_ptr<SideReporter> side)
    : attempt_(attempt), payload_(std::move(payload)), side_(std::move(side)) {}

const std::string& Context::taskId() const { return attempt_.claim.id; }
std::int64_t Context::attempt() const { return attempt_.claim.attempt; }
std::int64_t Context::maxAttempts() const { return attempt_.claim.maxAttempts; }
const std::string& Context::ownerId() const { return attempt_.claim.ownerId; }
const std::string& Context::queue() const { return attempt_.claim.queue; }

const std::string& Context::traceparent() const { return attempt_.claim.traceparent; }

nlohmann::json Context::parents() const {
  const auto& text = attempt_.claim.parents;
  return text.empty() ? nlohmann::json::object() : nlohmann::json::parse(text);
}

std::stop_token Context::stopToken() const { return attempt_.stopToken(); }
StopReason Context::stopReason() const { return attempt_.stopReason(); }

void Context::throwIfStopped() const {
  if (isStopped()) throw Stopped(stopReason());
}

void Context::sleep(std::chrono::milliseconds duration) const {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_for(lock, stopToken(), duration, [] { return false; });
  throwIfStopped();
}

void Context::progress(double percent, const nlohmann::json& detail) { side_->progress(attempt_, percent, detail); }

void Context::log(LogLevel level, std::string_view message, const nlohmann::json& fields) {
  side_->log(attempt_, level, message, fields);
}

}  // namespace taskflow
