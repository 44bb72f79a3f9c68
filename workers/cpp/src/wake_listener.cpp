#include "wake_listener.h"

namespace taskflow {
namespace {

/** A safety net for wake-ups that were lost with a connection or a worker. Work that arrives in between wakes at once. */
constexpr Milliseconds blockTime{5'000};
constexpr std::string_view blockSeconds = "5";
/** A read that Redis has not even ended by itself sits on a dead connection. Beyond the above. */
constexpr Milliseconds replyGrace{2'000};
constexpr Milliseconds retryAfterRefusal{1'000};
/** How long ending a read may take; a connection that breaks meanwhile must not hold up a shutdown. */
constexpr Milliseconds unblockTime{1'000};

}  // namespace

WakeListener::WakeListener(Options options)
    : options_(std::move(options)), connection_(options_.shard.connect([this] { onReady(); })) {}

void WakeListener::onReady() {
  clientId_.clear();
  isBlocked_ = false;
  connection_->send({"CLIENT", "ID"}, options_.shard.lane.commandTimeout(), [this](const RedisReply& reply) {
    if (!reply.failed()) clientId_ = reply.text();
  });
  if (onClosed_) return;
  // Redis may have been away for long: what came meanwhile gave its tokens to nobody.
  wakeAfter(Milliseconds(0));
}

void WakeListener::listen() {
  if (isListening_ || onClosed_) return;
  isListening_ = true;
  if (connection_->isReady()) return block();
  // Its connection may be refused where others are not.
  wakeAfter(blockTime);
}

void WakeListener::block() {
  if (isBlocked_) return;
  isBlocked_ = true;
  options_.loop.cancel(timer_);
  std::vector<std::string_view> words{"BLPOP"};
  words.insert(words.end(), options_.keys.begin(), options_.keys.end());
  words.push_back(blockSeconds);
  connection_->send(words, blockTime + replyGrace, [this](const RedisReply& reply) { onReply(reply); });
}

void WakeListener::onReply(const RedisReply& reply) {
  isBlocked_ = false;
  if (onClosed_) return finishClosing();
  // Without the wait, this would go round as fast as it can.
  wakeAfter(reply.failed() ? retryAfterRefusal : Milliseconds(0));
}

void WakeListener::wakeAfter(Milliseconds wait) {
  options_.loop.cancel(timer_);
  timer_ = options_.loop.after(wait, [this] {
    timer_ = 0;
    isListening_ = false;
    options_.onWake();
  });
}

void WakeListener::close(std::function<void()> done) {
  onClosed_ = std::move(done);
  options_.loop.cancel(timer_);
  auto& redis = *options_.shard.redis;
  if (!isBlocked_ || clientId_.empty() || !redis.isReady()) return finishClosing();
  timer_ = options_.loop.after(unblockTime, [this] { finishClosing(); });
  redis.send({"CLIENT", "UNBLOCK", clientId_}, unblockTime, [this](const RedisReply& reply) {
    if (reply.failed()) finishClosing();
  });
}

void WakeListener::finishClosing() {
  options_.loop.cancel(timer_);
  connection_->close();
  if (const auto done = std::exchange(onClosed_, [] {})) done();
}

}  // namespace taskflow
