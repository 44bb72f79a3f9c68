#include "check.h"
#include "outcome.h"
#include "taskflow/payload.h"
#include "taskflow/task.h"

namespace taskflow {
namespace {

template <typename Function>
void expectMisfit(Function&& function, const char* problem) {
  const auto error = expectThrow<DoNotRetry>(function);
  expectEqual(error.code(), "INVALID_PAYLOAD");
  expectTrue(std::string(error.what()).find(problem) != std::string::npos, problem);
}

TEST("fields of a payload are read and checked") {
  const Json payload{{"n", 3}, {"whole", 3.0}, {"half", 0.5}, {"text", "größe"}, {"nothing", nullptr}};
  const PayloadReader reader(payload);
  expectEqual(reader.integer("n", 0, 10), 3);
  expectEqual(reader.integer("whole", 0, 10), 3);
  expectEqual(reader.integer("missing", 0, 10, 7), 7);
  expectEqual(reader.number("half", 0, 1), 0.5);
  expectEqual(reader.text("text", 10), "größe");
  expectMisfit([&] { reader.integer("half", 0, 10); }, "half must be a whole number");
  expectMisfit([&] { reader.integer("n", 0, 2); }, "n must be a number from 0.0 to 2.0");
  expectMisfit([&] { reader.number("missing", 0, 1); }, "missing");
  expectMisfit([&] { reader.number("text", 0, 1); }, "text");
  expectMisfit([&] { reader.text("text", 3); }, "at most 3 bytes");
  expectMisfit([&] { reader.text("nothing", 3, ""); }, "nothing must be a text");
  expectMisfit([] { PayloadReader(Json(1)); }, "must be an object");
}

template <typename Error>
Outcome outcomeOf(const Error& error, StopReason reason = StopReason::none) {
  return outcomeOfError(std::make_exception_ptr(error), reason, Milliseconds(200));
}

TEST("what a handler throws decides whether it is tried again") {
  const auto plain = std::get<Retry>(outcomeOf(std::runtime_error("broken")));
  expectEqual(plain.failure.message, "broken");
  expectTrue(plain.failure.code.empty() && !plain.delay, "neither code nor delay");
  expectEqual(std::get<Retry>(outcomeOf(TaskError("broken", "E"))).failure.code, "E");
  expectEqual(std::get<DeadLetter>(outcomeOf(DoNotRetry("broken", "E"))).failure.code, "E");
  expectEqual(std::get<Retry>(outcomeOf(RetryAfter("later", Milliseconds(5)))).delay->count(), 5);
  expectEqual(std::get<Retry>(outcomeOf(RetryAfter("later", Milliseconds(-5)))).delay->count(), 0);
  expectTrue(!std::get<Retry>(outcomeOf(42)).failure.message.empty(), "a message for what is no exception");
}

TEST("what is thrown after a stop is the stopping") {
  const std::runtime_error error("interrupted");
  expectTrue(std::holds_alternative<Released>(outcomeOf(error, StopReason::shuttingDown)), "released");
  const auto late = std::get<Retry>(outcomeOf(DoNotRetry("interrupted"), StopReason::timedOut));
  expectEqual(encode(late.failure), R"({"code":"TIMEOUT","message":"the attempt did not end within 200 ms"})");
  expectEqual(std::get<Retry>(outcomeOf(error, StopReason::cancelled)).failure.message, "interrupted");
}

TEST("long messages and codes are cut") {
  const auto failure = std::get<Retry>(outcomeOf(TaskError(std::string(10'000, 'm'), std::string(500, 'c')))).failure;
  expectEqual(failure.message, std::string(3'999, 'm') + "…");
  expectEqual(failure.code, std::string(99, 'c') + "…");
}

TEST("results that are too large are refused, and not tried again") {
  expectEqual(std::get<Done>(outcomeOfResult("xx", 4)).result, "\"xx\"");
  const auto refused = std::get<DeadLetter>(outcomeOfResult("ü!", 4)).failure;
  expectEqual(refused.code, "RESULT_TOO_LARGE");
  expectEqual(refused.message, "the result takes 5 bytes; at most 4 are allowed");
}

}  // namespace
}  // namespace taskflow
