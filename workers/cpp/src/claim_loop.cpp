#include "claim_loop.h"

#include <algorithm>
#include <memory>

namespace taskflow {
namespace {

/** Every so many claims the low lane, and in it the low priority, goes first, so that nothing starves. */
constexpr std::uint64_t lowFirstEvery = 8;

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ",") + word;
  return text;
}

}  // namespace

ClaimLoop::ClaimLoop(Options options)
    : options_(std::move(options)),
      queues_(join(options_.queues)),
      types_(join(options_.types)),
      high_(open(options_.broker.high)),
      low_(open(options_.broker.low)) {}

ClaimLoop::Sources ClaimLoop::open(Lane& lane) {
  Sources sources;
  for (auto& shard : lane.shards()) {
    std::vector<std::string> keys;
    for (const auto& queue : options_.queues) {
      for (const auto& type : options_.types) keys.push_back(shard.wakeKey(queue, type));
    }
    sources.push_back(std::make_unique<ShardSource>(options_.loop, shard, std::move(keys),
                                                    [this](auto& source, auto cause) { onWork(source, cause); }));
  }
  return sources;
}

/** A token that this worker cannot use is for another. */
void ClaimLoop::onWork(ShardSource& source, ShardSource::Cause cause) {
  if (cause == ShardSource::Cause::woken && options_.slots.free() <= 0) passOn(source.shard());
  else wake();
}

void ClaimLoop::wake() {
  if (std::exchange(isScheduled_, true)) return;
  options_.loop.after(Milliseconds(0), [this] {
    isScheduled_ = false;
    claimAll();
  });
}

void ClaimLoop::claimAll() {
  const auto& slots = options_.slots;
  while (!onStopped_ && isWorthClaiming()) {
    const bool isLowFirst = rounds_ % lowFirstEvery == lowFirstEvery - 1;
    auto* source = next(isLowFirst);
    if (!source) return;
    rounds_++;
    // At most half of the slots at once: while one half runs and is reported, Redis gives out the other.
    claimFrom(*source, std::min(slots.free(), (slots.concurrency() + 1) / 2), isLowFirst);
  }
}

/** One call for each slot would halve the throughput: a quarter is awaited, but only while more are about to be free. */
bool ClaimLoop::isWorthClaiming() const {
  const int free = options_.slots.free();
  return free > 0 && (free * 4 >= options_.slots.concurrency() || !options_.isFreeingSlots());
}

/**
 * The first shard that has work; shards of a lane take turns. A claim on its way is awaited before one goes to a later shard,
 * so that a lower lane gets only what a higher one leaves; but a shard that failed last time holds nobody up.
 */
ShardSource* ClaimLoop::next(bool isLowFirst) {
  for (auto* sources : isLowFirst ? std::array{&low_, &high_} : std::array{&high_, &low_}) {
    for (std::size_t i = 0; i < sources->size(); i++) {
      auto& source = *(*sources)[(rounds_ + i) % sources->size()];
      if (source.hasWork()) return &source;
      if (source.isAnsweringSoon()) return nullptr;
    }
  }
  return nullptr;
}

void ClaimLoop::claimFrom(ShardSource& source, int limit, bool isLowFirst) {
  source.beginClaim();
  options_.slots.reserve(limit);
  claimsOnTheirWay_++;
  call(source.shard(), limit, isLowFirst, [this, &source, limit](const RedisReply& reply) {
    options_.slots.unreserve(limit);
    claimsOnTheirWay_--;
    onClaimed(source, limit, reply);
    if (onStopped_ && claimsOnTheirWay_ == 0) closeSources();
  });
}

void ClaimLoop::onClaimed(ShardSource& source, int limit, const RedisReply& reply) {
  if (reply.failed()) {
    if (!source.hasFailed()) {
      options_.logger.warn("claiming failed; trying on", {{"shard", source.shard().id}, {"error", reply.error()}});
    }
    source.failClaim();
  } else {
    auto claims = parseClaims(reply);
    const bool isMoreLikely = static_cast<int>(claims.size()) == limit;
    options_.accept(source.shard(), std::move(claims));
    if (source.hasFailed()) options_.onRecovered(source.shard());
    source.endClaim(isMoreLikely);
  }
  options_.onClaimed();
}

void ClaimLoop::call(Shard& shard, int limit, bool isLowFirst, RedisConnection::Callback callback) {
  const auto limitText = std::to_string(limit);
  const auto leaseText = std::to_string(options_.lease.count());
  // The last argument asks for traces.
  shard.call("claim", {options_.workerId, limitText, leaseText, isLowFirst ? "1" : "0", queues_, types_, "1"},
             std::move(callback));
}

/** A claim of none leaves a new token wherever tasks wait. Should it fail, the promoter wakes somebody. */
void ClaimLoop::passOn(Shard& shard, std::function<void()> done) {
  call(shard, 0, false, [done = std::move(done)](const RedisReply&) { done(); });
}

void ClaimLoop::stop(std::function<void()> done) {
  onStopped_ = std::move(done);
  if (claimsOnTheirWay_ == 0) closeSources();
}

/** First all sources, then a token that may have been taken on the way is passed on. */
void ClaimLoop::closeSources() {
  std::vector<ShardSource*> all;
  for (const auto* sources : {&high_, &low_}) {
    for (const auto& source : *sources) all.push_back(source.get());
  }
  const auto left = std::make_shared<std::size_t>(all.size());
  for (auto* source : all) {
    source->close([this, source, left] {
      passOn(source->shard(), [this, left] {
        if (--*left == 0) onStopped_();
      });
    });
  }
}

}  // namespace taskflow
