#include "executor.h"

#include <algorithm>
#include <stdexcept>

#include "text.h"

namespace taskflow {
namespace {

/** Reading JSON recurses: 5,000 levels take 2 MiB of a thread's stack of 8 MiB under AddressSanitizer. */
constexpr std::size_t maxNesting = 5'000;

Json readPayload(const std::string& text) {
  if (nestingOf(text) > maxNesting) throw DoNotRetry("the payload is nested too deeply", "INVALID_PAYLOAD");
  try {
    return Json::parse(text);
  } catch (const Json::exception& problem) {
    throw DoNotRetry(std::string("the payload is not JSON: ") + problem.what(), "INVALID_PAYLOAD");
  }
}

bool isTaskType(std::string_view text) {
  const auto isGood = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("._:-").find(c) != std::string_view::npos;
  };
  return !text.empty() && text.size() <= 128 && std::ranges::all_of(text, isGood);
}

}  // namespace

TasksByType byType(std::vector<TaskDefinition> tasks) {
  TasksByType types;
  for (auto& task : tasks) {
    const auto type = task.type;
    if (!isTaskType(type)) throw std::invalid_argument("\"" + type + "\" cannot name a task type");
    const auto [place, isNew] = types.emplace(type, std::make_shared<TaskDefinition>(std::move(task)));
    if (!isNew) throw std::invalid_argument("the task type \"" + type + "\" is defined twice");
  }
  if (types.empty()) throw std::invalid_argument("a worker needs at least one task type");
  return types;
}

Outcome runHandler(const TaskDefinition* task, Attempt& attempt, const std::shared_ptr<SideReporter>& side,
                   std::size_t maxResultBytes) {
  try {
    if (!task) throw DoNotRetry("this worker cannot run " + attempt.claim.type, "UNKNOWN_TYPE");
    Context context(attempt, readPayload(attempt.claim.payload), side);
    return outcomeOfResult(task->handler(context), maxResultBytes);
  } catch (...) {
    return outcomeOfError(std::current_exception(), attempt.stopReason(), attempt.claim.timeout);
  }
}

Executor::Executor(Options options)
    : options_(std::move(options)),
      deadlines_(options_.loop, [this](const AttemptPtr& attempt) { settle(attempt, timedOut(attempt->claim.timeout)); }) {}

void Executor::execute(const AttemptPtr& attempt) {
  const auto found = options_.tasks.find(attempt->claim.type);
  const auto task = found == options_.tasks.end() ? nullptr : found->second;
  deadlines_.watch(attempt);
  attempt->setRunning(true);
  pool_.run([this, attempt, task, side = options_.side, inbox = options_.loop.inbox(),
             maxResultBytes = options_.maxResultBytes] {
    // It may have been given up while it waited for a thread.
    const auto outcome = attempt->isSettled() ? Released{} : runHandler(task.get(), *attempt, side, maxResultBytes);
    inbox->post([this, attempt, outcome] {
      options_.slots.endHandler(attempt);
      settle(attempt, outcome);
    });
  });
}

void Executor::settle(const AttemptPtr& attempt, const Outcome& outcome) {
  if (attempt->isSettled()) return;
  attempt->settle();
  deadlines_.forget(attempt);
  logFailure(*attempt, outcome);
  options_.report(attempt, outcome);
}

void Executor::lose(const AttemptPtr& attempt) {
  if (!attempt->isSettled()) {
    options_.logger.info("lease lost: the handler is told to stop", {{"taskId", attempt->claim.id}, {"attempt", attempt->claim.attempt}});
  }
  attempt->markLost();
  attempt->stop(StopReason::leaseLost);
  settle(attempt, Released{});
}

void Executor::logFailure(const Attempt& attempt, const Outcome& outcome) {
  const auto* retry = std::get_if<Retry>(&outcome);
  const auto* deadLetter = std::get_if<DeadLetter>(&outcome);
  if (attempt.isLost() || (!retry && !deadLetter)) return;
  const auto& failure = retry ? retry->failure : deadLetter->failure;
  const auto& claim = attempt.claim;
  // Without its message, which may hold what users sent: that is kept with the task.
  options_.logger.info("task failed", {{"taskId", claim.id},
                                       {"type", claim.type},
                                       {"attempt", claim.attempt},
                                       {"code", failure.code},
                                       {"mayRetry", retry && claim.attempt < claim.maxAttempts}});
}

}  // namespace taskflow
