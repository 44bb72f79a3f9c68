#pragma once

#include <functional>
#include <unordered_map>
#include <vector>

#include "attempt.h"

namespace taskflow {

/**
 * The attempts that this worker holds, at most `concurrency`. One occupies its slot until its outcome was accepted, not
 * only until its handler ended: while Redis is away, outcomes cannot pile up.
 *
 * A handler that goes on after its slot was freed (it ignores that it is to stop) is abandoned: it keeps its thread, and the
 * slot serves another task. Beyond `concurrency` abandoned handlers, each takes up a slot again, so that a worker has at most
 * twice as many threads.
 */
class Slots {
 public:
  using ById = std::unordered_map<std::string, AttemptPtr>;

  explicit Slots(int concurrency) : concurrency(concurrency) {}

  const int concurrency;

  int taken() const { return taken_; }
  int abandoned() const { return abandoned_; }
  /** How many tasks may be claimed now: neither taken nor reserved for a claim on its way. */
  int free() const;
  void reserve(int count) { reserved_ += count; }
  void unreserve(int count) { reserved_ -= count; }

  /** @returns the attempt at the same task that this worker held: a task has one holder, so its lease must have been lost */
  AttemptPtr take(const AttemptPtr& attempt);
  /** Called once for each attempt that was taken. */
  void release(const AttemptPtr& attempt);
  /** Its handler came to its end. */
  void endHandler(const AttemptPtr& attempt);

  /** By task id: each task has at most one attempt that still counts. */
  const ById& of(const Shard& shard) { return byShard_[&shard]; }
  AttemptPtr find(const Shard& shard, const std::string& id);
  std::vector<AttemptPtr> all() const;

  /** Called once, when no attempt is held. */
  void onDrained(std::function<void()> listener);

 private:
  std::unordered_map<const Shard*, ById> byShard_;
  int taken_ = 0;
  int reserved_ = 0;
  int abandoned_ = 0;
  std::function<void()> onDrained_;
};

}  // namespace taskflow
