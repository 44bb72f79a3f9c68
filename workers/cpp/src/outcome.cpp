#include "outcome.h"

#include "taskflow/task.h"
#include "text.h"

namespace taskflow {
namespace {

/** Errors travel through Redis and stay in the audit trail: a message of megabytes must not. */
constexpr std::size_t maxMessageLength = 4'000;
constexpr std::size_t maxCodeLength = 100;

Failure toFailure(std::string_view message, std::string_view code = "") {
  if (message.empty()) message = "the handler failed without a message";
  return {shorten(message, maxMessageLength), shorten(code, maxCodeLength)};
}

}  // namespace

Outcome outcomeOfResult(const Json& result, std::size_t maxResultBytes) {
  auto text = encode(result);
  if (text.size() <= maxResultBytes) return Done{std::move(text)};
  const auto message = "the result takes " + std::to_string(text.size()) + " bytes; at most " +
                       std::to_string(maxResultBytes) + " are allowed";
  return DeadLetter{{message, "RESULT_TOO_LARGE"}};
}

Outcome outcomeOfError(const std::exception_ptr& error, StopReason stopReason, std::optional<Milliseconds> timeout) {
  if (stopReason == StopReason::shuttingDown) return Released{};
  if (stopReason == StopReason::timedOut) return timedOut(timeout);
  try {
    std::rethrow_exception(error);
  } catch (const DoNotRetry& thrown) {
    return DeadLetter{toFailure(thrown.what(), thrown.code())};
  } catch (const RetryAfter& thrown) {
    return Retry{toFailure(thrown.what(), thrown.code()), thrown.delay()};
  } catch (const TaskError& thrown) {
    return Retry{toFailure(thrown.what(), thrown.code()), std::nullopt};
  } catch (const std::exception& thrown) {
    return Retry{toFailure(thrown.what()), std::nullopt};
  } catch (...) {
    return Retry{toFailure("the handler threw something that is no std::exception"), std::nullopt};
  }
}

Outcome timedOut(std::optional<Milliseconds> timeout) {
  const auto ms = std::to_string(timeout.value_or(Milliseconds(0)).count());
  return Retry{{"the attempt did not end within " + ms + " ms", "TIMEOUT"}, std::nullopt};
}

std::string encode(const Failure& failure) {
  Json json{{"message", failure.message}};
  if (!failure.code.empty()) json["code"] = failure.code;
  return encode(json);
}

}  // namespace taskflow
