#pragma once

#include <exception>
#include <optional>
#include <string>
#include <variant>

#include "claim.h"
#include "json.h"
#include "taskflow/context.h"

namespace taskflow {

/** Why an attempt failed, as it is kept with the task. */
struct Failure {
  std::string message;
  /** Stable, for programs: TIMEOUT, INVALID_PAYLOAD, or whatever code the handler's error had. Empty for none. */
  std::string code;
};

/** The JSON text of a result. */
struct Done {
  std::string result;
};
/** Failed; another attempt may help. Without a delay the broker chooses the backoff. */
struct Retry {
  Failure failure;
  std::optional<Milliseconds> delay;
};
/** Failed, and another attempt would fail as well. */
struct DeadLetter {
  Failure failure;
};
/** Handed back unfinished; no attempt is used up. */
struct Released {};

/** How an attempt ended. Every handler ends in one of these, whatever it returned or threw. */
using Outcome = std::variant<Done, Retry, DeadLetter, Released>;

/** The outcome of a handler that returned. A result that cannot be kept makes the task fail, without another attempt. */
Outcome outcomeOfResult(const Json& result, std::size_t maxResultBytes);

/**
 * The outcome that a thrown exception stands for. What is thrown after the handler was told to stop is the stopping, not a
 * fault of its own.
 *
 * @param timeout of the task
 */
Outcome outcomeOfError(const std::exception_ptr& error, StopReason stopReason, std::optional<Milliseconds> timeout);

/** The outcome of an attempt that did not end in time. */
Outcome timedOut(std::optional<Milliseconds> timeout);

/** As tf1_fail takes it. */
std::string encode(const Failure& failure);

}  // namespace taskflow
