#include "conformance.h"

#include <taskflow/context.h>
#include <taskflow/payload.h>

#include <array>
#include <thread>

#include "schema.h"

namespace taskflow_tasks {
namespace {

using Json = nlohmann::json;
using std::chrono::milliseconds;
using taskflow::Context;
using taskflow::PayloadReader;

constexpr std::int64_t maxMs = 3'600'000;
constexpr std::int64_t maxSteps = 1'000;
constexpr std::size_t maxMessage = 1'000;
constexpr std::size_t maxText = 1'000'000;

Json echo(Context& context) { return context.payload(); }

/** Sleeps, in pieces of the same length, says after each how far it is, and stops at once when it is told to. */
Json sleep(Context& context) {
  const PayloadReader payload(context.payload());
  const auto ms = payload.integer("ms", 0, maxMs);
  const auto steps = payload.integer("steps", 1, maxSteps, 1);
  const auto start = std::chrono::steady_clock::now();
  for (std::int64_t step = 1; step <= steps; step++) {
    const auto due = start + milliseconds(ms * step / steps);
    context.sleep(std::chrono::ceil<milliseconds>(due - std::chrono::steady_clock::now()));
    context.progress(100.0 * static_cast<double>(step) / static_cast<double>(steps));
  }
  return {{"ms", ms}};
}

Json fail(Context& context) {
  const PayloadReader payload(context.payload());
  const auto message = payload.text("message", maxMessage);
  if (!payload.has("untilAttempt") || context.attempt() < payload.integer("untilAttempt", 1, maxMs)) {
    throw std::runtime_error(message);
  }
  return {{"attempt", context.attempt()}};
}

Json throwError(Context& context) {
  const PayloadReader payload(context.payload());
  const auto message = payload.text("message", maxText);
  const auto code = payload.text("code", maxText, "");
  const auto retry = payload.text("retry", 10, "default");
  if (retry == "never") throw taskflow::DoNotRetry(message, code);
  if (retry == "after") throw taskflow::RetryAfter(message, milliseconds(payload.integer("delayMs", 0, maxMs)), code);
  throw taskflow::TaskError(message, code);
}

taskflow::LogLevel levelOf(const std::string& name) {
  static constexpr std::array<const char*, 4> names{"debug", "info", "warn", "error"};
  for (std::size_t i = 0; i < names.size(); i++) {
    if (name == names[i]) return static_cast<taskflow::LogLevel>(i);
  }
  throw taskflow::invalidPayload("level must be debug, info, warn or error");
}

Json log(Context& context) {
  const PayloadReader payload(context.payload());
  const auto lines = payload.integer("lines", 0, 1'000'000);
  const auto level = levelOf(payload.text("level", 10, "info"));
  const auto message = payload.text("message", maxText, "line");
  const auto fields = context.payload().value("fields", Json());
  for (std::int64_t n = 1; n <= lines; n++) {
    context.log(level, lines > 1 ? message + " " + std::to_string(n) : message, fields);
  }
  return {{"lines", lines}};
}

Json progress(Context& context) {
  const auto values = context.payload().at("values");
  const auto detail = context.payload().value("detail", Json());
  for (std::size_t i = 0; i < values.size(); i++) {
    // Longer than progress is coalesced.
    if (i > 0) context.sleep(milliseconds(150));
    context.progress(values[i].get<double>(), detail);
  }
  return {{"reported", values.size()}};
}

/** Does not look whether it is to stop. */
Json block(Context& context) {
  std::this_thread::sleep_for(milliseconds(PayloadReader(context.payload()).integer("ms", 0, maxMs)));
  return "done";
}

Json parents(Context& context) { return context.parents(); }

Json describe(Context& context) {
  return {{"taskId", context.taskId()},
          {"attempt", context.attempt()},
          {"maxAttempts", context.maxAttempts()},
          {"queue", context.queue()},
          {"ownerId", context.ownerId()},
          {"traceparent", context.traceparent().empty() ? Json() : Json(context.traceparent())}};
}

Json big(Context& context) {
  return std::string(static_cast<std::size_t>(PayloadReader(context.payload()).integer("bytes", 0, 64'000'000)), 'x');
}

Json sleepSchema() {
  return schema::object({{"ms", schema::integer(0, maxMs, "How long to sleep, in ms")},
                         {"steps", schema::integer(1, maxSteps, "In how many pieces. Default: 1")}},
                        {"ms"});
}

Json failSchema() {
  return schema::object(
      {{"message", schema::text(0, maxMessage, "What it fails with")},
       {"untilAttempt", schema::integer(1, maxMs, "From this attempt on it succeeds. Default: it never does")}},
      {"message"});
}

}  // namespace

std::vector<taskflow::TaskDefinition> conformanceTasks() {
  return {{"echo", echo},
          {"sleep", sleep, sleepSchema()},
          {"fail", fail, failSchema()},
          {"conformance.error", throwError},
          {"conformance.log", log},
          {"conformance.progress", progress},
          {"conformance.block", block},
          {"conformance.parents", parents},
          {"conformance.context", describe},
          {"conformance.big", big}};
}

}  // namespace taskflow_tasks
