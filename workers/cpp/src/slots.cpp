#include "slots.h"

#include <algorithm>
#include <utility>

namespace taskflow {

int Slots::free() const { return concurrency - taken_ - reserved_ - std::max(0, abandoned_ - concurrency); }

AttemptPtr Slots::take(const AttemptPtr& attempt) {
  auto& held = byShard_[&attempt->shard][attempt->claim.id];
  taken_++;
  count(attempt, 1);
  return std::exchange(held, attempt);
}

void Slots::release(const AttemptPtr& attempt) {
  auto& attempts = byShard_[&attempt->shard];
  const auto found = attempts.find(attempt->claim.id);
  if (found != attempts.end() && found->second == attempt) attempts.erase(found);
  if (attempt->isRunning()) {
    attempt->setAbandoned();
    abandoned_++;
  }
  taken_--;
  count(attempt, -1);
  if (taken_ == 0 && onDrained_) std::exchange(onDrained_, nullptr)();
}

void Slots::count(const AttemptPtr& attempt, int change) {
  const auto found = takenByQueue_.find(attempt->claim.queue);
  if (found != takenByQueue_.end()) found->second += change;
}

void Slots::endHandler(const AttemptPtr& attempt) {
  attempt->setRunning(false);
  if (attempt->isAbandoned()) abandoned_--;
}

AttemptPtr Slots::find(const Shard& shard, const std::string& id) {
  const auto& attempts = of(shard);
  const auto found = attempts.find(id);
  return found == attempts.end() ? nullptr : found->second;
}

std::vector<AttemptPtr> Slots::all() const {
  std::vector<AttemptPtr> all;
  for (const auto& [shard, attempts] : byShard_) {
    for (const auto& [id, attempt] : attempts) all.push_back(attempt);
  }
  return all;
}

void Slots::onDrained(std::function<void()> listener) {
  if (taken_ == 0) return listener();
  onDrained_ = std::move(listener);
}

}  // namespace taskflow
