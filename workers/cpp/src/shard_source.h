#pragma once

#include <functional>
#include <string>
#include <vector>

#include "wake_listener.h"

namespace taskflow {

/** One shard as a claimer sees it: asleep in a blocking read, known to have work, being claimed from, or out of order. */
class ShardSource {
 public:
  enum class Cause { woken, retry };
  /** Told whenever the shard came to have work, or is worth another try. */
  using Listener = std::function<void(ShardSource&, Cause)>;

  /** @param wakeKeys lists on which a token says that the shard has work */
  ShardSource(Loop& loop, Shard& shard, std::vector<std::string> wakeKeys, Listener onWork);

  Shard& shard() { return shard_; }
  bool hasWork() const { return state_ == State::hasWork; }
  /** A claim is on its way and likely to be answered at once. Not so after one that failed. */
  bool isAnsweringSoon() const { return state_ == State::claiming && backoff_.failures() == 0; }
  bool hasFailed() const { return backoff_.failures() > 0; }

  void beginClaim();
  /** @param isMoreLikely the claim returned as many as it asked for */
  void endClaim(bool isMoreLikely);
  void failClaim();

  /** @param done called once the shard sends no more tokens here */
  void close(std::function<void()> done);

 private:
  enum class State { asleep, hasWork, claiming, backingOff };

  void wake();

  Loop& loop_;
  Shard& shard_;
  const Listener onWork_;
  WakeListener listener_;
  Backoff backoff_;
  /** It is woken once it is connected. */
  State state_ = State::asleep;
  /** A token came while a claim was on its way: the claim may have been served before the token's tasks arrived. */
  bool isWokenAgain_ = false;
  Loop::Timer retryTimer_ = 0;
};

}  // namespace taskflow
