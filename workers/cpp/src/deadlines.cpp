#include "deadlines.h"

namespace taskflow {

void Deadlines::watch(const AttemptPtr& attempt) {
  const auto timeout = attempt->claim.timeout;
  if (timeout) timers_[attempt.get()] = loop_.after(*timeout, [this, attempt] { end(attempt); });
}

void Deadlines::forget(const AttemptPtr& attempt) {
  const auto found = timers_.find(attempt.get());
  if (found == timers_.end()) return;
  loop_.cancel(found->second);
  timers_.erase(found);
}

void Deadlines::end(const AttemptPtr& attempt) {
  timers_.erase(attempt.get());
  attempt->stop(StopReason::timedOut);
  // One that was told to stop for another reason is given up for that one.
  if (attempt->stopReason() != StopReason::timedOut) return;
  timers_[attempt.get()] = loop_.after(grace, [this, attempt] {
    timers_.erase(attempt.get());
    giveUp_(attempt);
  });
}

}  // namespace taskflow
