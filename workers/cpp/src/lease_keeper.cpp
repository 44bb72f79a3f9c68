#include "lease_keeper.h"

#include <unordered_set>

namespace taskflow {

LeaseKeeper::LeaseKeeper(Options options) : options_(std::move(options)) { schedule(options_.lease / 3); }

void LeaseKeeper::stop() {
  isStopped_ = true;
  options_.loop.cancel(timer_);
}

void LeaseKeeper::extend() {
  if (isStopped_) return;
  std::vector<AttemptPtr> held;
  for (const auto& [id, attempt] : options_.slots.of(options_.shard)) held.push_back(attempt);
  if (held.empty()) return schedule(options_.lease / 3);
  const auto lease = std::to_string(options_.lease.count());
  std::vector<std::string_view> args{lease};
  for (const auto& attempt : held) args.insert(args.end(), {attempt->claim.id, attempt->claim.token});
  // The next one waits for the answer to this one.
  options_.loop.cancel(timer_);
  options_.shard.call("extend", args, [this, held](const RedisReply& reply) { onReply(held, reply); });
}

void LeaseKeeper::onReply(const std::vector<AttemptPtr>& held, const RedisReply& reply) {
  if (reply.failed()) return onFailure(reply.error());
  backoff_.reset();
  schedule(options_.lease / 3);
  const auto stopping = reply[1];
  for (std::size_t i = 0; i < stopping.size(); i += 2) {
    if (const auto attempt = options_.slots.find(options_.shard, stopping[i].text())) {
      attempt->stop(StopReason::cancelled);
    }
  }
  if (reply[0].size() > 0) onLost(held, reply[0]);
}

void LeaseKeeper::onLost(const std::vector<AttemptPtr>& held, const RedisReply& lostIds) {
  std::unordered_set<std::string> lost;
  for (std::size_t i = 0; i < lostIds.size(); i++) lost.insert(lostIds[i].text());
  for (const auto& attempt : held) {
    // Only those that were asked about: a task that ended meanwhile may be back in a new attempt, which is not lost. And one
    // that was reported while this call was on its way is lost only in the sense that it has ended.
    const auto& id = attempt->claim.id;
    if (lost.contains(id) && options_.slots.find(options_.shard, id) == attempt) options_.lose(attempt);
  }
}

void LeaseKeeper::onFailure(std::string_view error) {
  if (backoff_.failures() == 0) {
    options_.logger.warn("leases could not be extended", {{"shard", options_.shard.id}, {"error", error}});
  }
  schedule(std::min(backoff_.next(), options_.lease / 3));
}

void LeaseKeeper::schedule(Milliseconds wait) {
  options_.loop.cancel(timer_);
  if (!isStopped_) timer_ = options_.loop.after(wait, [this] { extend(); });
}

}  // namespace taskflow
