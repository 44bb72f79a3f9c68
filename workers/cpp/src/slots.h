#pragma once

#include <algorithm>
#include <functional>
#include <string>
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

  /** How many of this queue's tasks it holds. Counted from the first time on that it is asked. */
  const int& takenOf(const std::string& queue) { return takenByQueue_[queue]; }

  /** Called once, when no attempt is held. */
  void onDrained(std::function<void()> listener);

 private:
  void count(const AttemptPtr& attempt, int change);

  std::unordered_map<const Shard*, ById> byShard_;
  /** Only of queues with a limit of their own. */
  std::unordered_map<std::string, int> takenByQueue_;
  int taken_ = 0;
  int reserved_ = 0;
  int abandoned_ = 0;
  std::function<void()> onDrained_;
};

/** What one claim loop may fill: all slots, or of these what the limit of a queue leaves. */
class ClaimSlots {
 public:
  explicit ClaimSlots(Slots& all) : all_(all), limit_(all.concurrency) {}
  ClaimSlots(Slots& all, const std::string& queue, int limit)
      : all_(all), limit_(std::min(limit, all.concurrency)), takenOfQueue_(&all.takenOf(queue)) {}

  int concurrency() const { return limit_; }
  int free() const {
    return takenOfQueue_ ? std::min(all_.free(), limit_ - *takenOfQueue_ - reserved_) : all_.free();
  }
  void reserve(int count) {
    reserved_ += count;
    all_.reserve(count);
  }
  void unreserve(int count) {
    reserved_ -= count;
    all_.unreserve(count);
  }

 private:
  Slots& all_;
  const int limit_;
  /** References into an unordered_map stay good; nullptr without a limit. */
  const int* takenOfQueue_ = nullptr;
  int reserved_ = 0;
};

}  // namespace taskflow
