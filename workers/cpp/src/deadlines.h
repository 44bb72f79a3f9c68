#pragma once

#include <functional>
#include <unordered_map>

#include "attempt.h"
#include "loop.h"

namespace taskflow {

/**
 * Ends attempts that take longer than their task allows: their handlers are told to stop at the deadline, and given up after
 * a grace period.
 */
class Deadlines {
 public:
  /** How long a handler may take to end once it was told that its time is up. */
  static constexpr Milliseconds grace{2'000};

  /** @param giveUp called for an attempt whose handler went on after the grace period */
  Deadlines(Loop& loop, std::function<void(const AttemptPtr&)> giveUp) : loop_(loop), giveUp_(std::move(giveUp)) {}

  /** Counts from now, if the task has a timeout. */
  void watch(const AttemptPtr& attempt);
  void forget(const AttemptPtr& attempt);

 private:
  void end(const AttemptPtr& attempt);

  Loop& loop_;
  const std::function<void(const AttemptPtr&)> giveUp_;
  std::unordered_map<const Attempt*, Loop::Timer> timers_;
};

}  // namespace taskflow
