#include "heartbeat.h"

#include <algorithm>
#include <deque>

namespace taskflow {
namespace {

/** A worker that missed this many is no longer listed. */
constexpr int missedUntilForgotten = 3;

}  // namespace

Heartbeat::Heartbeat(Options options) : options_(std::move(options)) {
  options_.lane.onReady([this] { beat(); });
}

void Heartbeat::beat() {
  if (isBeating_ || onStopped_) return;
  isBeating_ = true;
  options_.loop.cancel(timer_);
  const auto description = options_.describe();
  const auto ttl = std::to_string((options_.interval * missedUntilForgotten).count());
  std::deque<std::string> texts;
  std::vector<std::string_view> args{options_.workerId, description, ttl};
  for (const auto& [type, task] : options_.tasks) {
    const auto& schema = texts.emplace_back(encode(task->payloadSchema));
    const auto& defaults = texts.emplace_back(encode(task->defaults));
    args.insert(args.end(), {type, schema, defaults});
  }
  options_.lane.shards().front().call("heartbeat", args, [this](const RedisReply& reply) { onAnswer(reply); });
}

void Heartbeat::onAnswer(const RedisReply& reply) {
  isBeating_ = false;
  if (onStopped_) return sayGoodbye();
  auto wait = options_.interval;
  if (reply.failed()) {
    options_.logger.debug("heartbeat failed", {{"lane", options_.lane.name()}, {"error", reply.error()}});
    wait = std::min(backoff_.next(), options_.interval);
  } else {
    backoff_.reset();
  }
  timer_ = options_.loop.after(wait, [this] { beat(); });
}

void Heartbeat::stop(std::function<void()> done) {
  onStopped_ = std::move(done);
  options_.loop.cancel(timer_);
  // A heartbeat that overtook the goodbye would list the worker again.
  if (!isBeating_) sayGoodbye();
}

void Heartbeat::sayGoodbye() {
  options_.lane.shards().front().call("goodbye", {options_.workerId}, [this](const RedisReply& reply) {
    if (reply.failed()) options_.logger.debug("no goodbye: the lane is away", {{"lane", options_.lane.name()}});
    onStopped_();
  });
}

}  // namespace taskflow
