#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker.h"
#include "claim.h"
#include "shard_source.h"
#include "slots.h"

namespace taskflow {

/**
 * Keeps the slots filled. A shard sleeps in a blocking read until it has work; then it is claimed from until it gives less
 * than was asked for. Nothing is polled.
 */
class ClaimLoop {
 public:
  struct Options {
    Loop& loop;
    Broker& broker;
    std::string workerId;
    /** "*" for all. */
    std::vector<std::string> queues;
    std::vector<std::string> types;
    Milliseconds lease;
    ClaimSlots slots;
    /** Whether more slots will be free within a moment, so that one call can fill them together. */
    std::function<bool()> isFreeingSlots;
    /** Takes over what was claimed, and takes the slots for it. */
    std::function<void(Shard&, std::vector<Claim>)> accept;
    /** Told when a claim was answered: slots that it did not fill may serve other loops. It is to wake this one as well. */
    std::function<void()> onClaimed;
    /** Told when a shard answers again after it failed: it may have lost its data. */
    std::function<void(Shard&)> onRecovered;
    const Logger& logger;
  };

  explicit ClaimLoop(Options options);

  /** Looks whether to claim, at the end of this turn: slots are freed many at once. */
  void wake();

  /** Stops claiming. @param done called once all that a claim on its way still brought was accepted */
  void stop(std::function<void()> done);

 private:
  using Sources = std::vector<std::unique_ptr<ShardSource>>;

  Sources open(Lane& lane);
  void onWork(ShardSource& source, ShardSource::Cause cause);
  void claimAll();
  bool isWorthClaiming() const;
  ShardSource* next(bool isLowFirst);
  void claimFrom(ShardSource& source, int limit, bool isLowFirst);
  void onClaimed(ShardSource& source, int limit, const RedisReply& reply);
  void call(Shard& shard, int limit, bool isLowFirst, RedisConnection::Callback callback);
  void passOn(Shard& shard, std::function<void()> done = [] {});
  void closeSources();

  Options options_;
  const std::string queues_;
  const std::string types_;
  Sources high_;
  Sources low_;
  std::uint64_t rounds_ = 0;
  int claimsOnTheirWay_ = 0;
  bool isScheduled_ = false;
  /** Set once it is to stop. */
  std::function<void()> onStopped_;
};

}  // namespace taskflow
