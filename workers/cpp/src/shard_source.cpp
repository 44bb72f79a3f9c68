#include "shard_source.h"

namespace taskflow {

ShardSource::ShardSource(Loop& loop, Shard& shard, std::vector<std::string> wakeKeys, Listener onWork)
    : loop_(loop),
      shard_(shard),
      onWork_(std::move(onWork)),
      listener_({loop, shard, std::move(wakeKeys), [this] { wake(); }}) {
  listener_.listen();
}

void ShardSource::beginClaim() {
  state_ = State::claiming;
  isWokenAgain_ = false;
}

void ShardSource::endClaim(bool isMoreLikely) {
  backoff_.reset();
  state_ = isMoreLikely || isWokenAgain_ ? State::hasWork : State::asleep;
  if (state_ == State::asleep) listener_.listen();
}

void ShardSource::failClaim() {
  state_ = State::backingOff;
  retryTimer_ = loop_.after(backoff_.next(), [this] {
    state_ = State::hasWork;
    onWork_(*this, Cause::retry);
  });
}

void ShardSource::close(std::function<void()> done) {
  loop_.cancel(retryTimer_);
  listener_.close(std::move(done));
}

void ShardSource::wake() {
  if (state_ == State::claiming) isWokenAgain_ = true;
  if (state_ != State::asleep) return;
  state_ = State::hasWork;
  onWork_(*this, Cause::woken);
}

}  // namespace taskflow
