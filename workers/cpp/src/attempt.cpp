#include "attempt.h"

namespace taskflow {

void Attempt::stop(StopReason reason) {
  auto none = StopReason::none;
  // Before the token, so that whoever is woken by it finds the reason.
  if (reason_.compare_exchange_strong(none, reason)) stop_.request_stop();
}

}  // namespace taskflow
