#pragma once

#include <functional>

#include "attempt.h"
#include "backoff.h"
#include "broker.h"
#include "slots.h"

namespace taskflow {

/**
 * Extends the leases of all attempts of one shard, in one call at a third of their time. Attempts whose lease was lost are
 * given up: another worker may run their tasks already. Those that were told to stop are, should the message have been lost.
 */
class LeaseKeeper {
 public:
  struct Options {
    Loop& loop;
    Shard& shard;
    Slots& slots;
    /** How long a lease lasts from each extension. */
    Milliseconds lease;
    std::function<void(const AttemptPtr&)> lose;
    const Logger& logger;
  };

  explicit LeaseKeeper(Options options);

  const Shard& shard() const { return options_.shard; }
  /** Extends them now. */
  void extend();
  void stop();

 private:
  void onReply(const std::vector<AttemptPtr>& held, const RedisReply& reply);
  void onLost(const std::vector<AttemptPtr>& held, const RedisReply& lostIds);
  void onFailure(std::string_view error);
  void schedule(Milliseconds wait);

  const Options options_;
  Backoff backoff_;
  Loop::Timer timer_ = 0;
  bool isStopped_ = false;
};

}  // namespace taskflow
