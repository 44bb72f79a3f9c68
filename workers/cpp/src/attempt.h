#pragma once

#include <atomic>
#include <memory>
#include <stop_token>

#include "claim.h"
#include "taskflow/context.h"

namespace taskflow {

struct Shard;

/**
 * One run of a task by this worker, from its claim until its outcome was accepted. Its state is the loop's; handlers see only
 * the claim, the stop token with its reason, and whether it is settled.
 */
class Attempt {
 public:
  Attempt(Claim theClaim, Shard& theShard) : claim(std::move(theClaim)), shard(theShard) {}

  const Claim claim;
  Shard& shard;

  std::stop_token stopToken() const { return stop_.get_token(); }
  StopReason stopReason() const { return reason_; }

  /** Tells the handler to stop. Only the first reason counts. */
  void stop(StopReason reason);

  /** Its outcome is known: what its handler says from now on is ignored. */
  bool isSettled() const { return isSettled_; }
  void settle() { isSettled_ = true; }

  /** From any thread. @returns the number of the handler's next log line, from 1 */
  int countLine() { return ++lines_; }

  /** The lease is gone: nothing may be reported any more. */
  bool isLost() const { return isLost_; }
  void markLost() { isLost_ = true; }

  /** Its handler runs, though its slot may be free by now. */
  bool isRunning() const { return isRunning_; }
  void setRunning(bool isRunning) { isRunning_ = isRunning; }
  bool isAbandoned() const { return isAbandoned_; }
  void setAbandoned() { isAbandoned_ = true; }

 private:
  std::stop_source stop_;
  std::atomic<StopReason> reason_ = StopReason::none;
  std::atomic<bool> isSettled_ = false;
  std::atomic<int> lines_ = 0;
  bool isLost_ = false;
  bool isRunning_ = false;
  bool isAbandoned_ = false;
};

using AttemptPtr = std::shared_ptr<Attempt>;

}  // namespace taskflow
