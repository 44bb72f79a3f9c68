#pragma once

#include <algorithm>

#include "loop.h"

namespace taskflow {

/** Waits between tries against something that is away: 50 ms, 100 ms, … at most 1 s, so that a Redis that is back is noticed. */
class Backoff {
 public:
  int failures() const { return failures_; }

  /** Counts a failure. @returns how long to wait before the next try */
  Milliseconds next() {
    const auto wait = Milliseconds(std::min(50 << std::min(failures_, 5), 1'000));
    failures_++;
    return wait;
  }

  void reset() { failures_ = 0; }

 private:
  int failures_ = 0;
};

}  // namespace taskflow
