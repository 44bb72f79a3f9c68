#include "handler_pool.h"

namespace taskflow {
namespace {

/** For handlers that have said how they ended, and are about to return. */
constexpr std::chrono::milliseconds lastMoment{200};

}  // namespace

void HandlerPool::run(Job job) {
  const std::lock_guard lock(state_->mutex);
  state_->jobs.push_back(std::move(job));
  if (state_->idle >= static_cast<int>(state_->jobs.size())) return state_->wake.notify_one();
  std::thread([state = state_] { work(state); }).detach();
}

void HandlerPool::work(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  while (true) {
    state->idle++;
    state->wake.wait(lock, [&] { return state->isClosed || !state->jobs.empty(); });
    state->idle--;
    if (state->jobs.empty()) return;
    {
      const auto job = std::move(state->jobs.front());
      state->jobs.pop_front();
      state->busy++;
      lock.unlock();
      job();
    }
    lock.lock();
    if (--state->busy == 0) state->allIdle.notify_all();
  }
}

int HandlerPool::close() {
  std::unique_lock lock(state_->mutex);
  state_->isClosed = true;
  state_->wake.notify_all();
  state_->allIdle.wait_for(lock, lastMoment, [&] { return state_->busy == 0; });
  return state_->busy;
}

}  // namespace taskflow
