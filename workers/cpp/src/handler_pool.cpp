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
  auto& worker = state_->workers.emplace_back();
  worker.thread = std::thread([state = state_, &worker] { work(state, worker); });
}

void HandlerPool::work(const std::shared_ptr<State>& state, Worker& self) {
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
      self.isBusy = true;
      lock.unlock();
      job();
    }
    lock.lock();
    self.isBusy = false;
    if (--state->busy == 0) state->allIdle.notify_all();
  }
}

int HandlerPool::close() {
  std::vector<std::thread> ending;
  std::unique_lock lock(state_->mutex);
  state_->isClosed = true;
  state_->jobs.clear();
  state_->wake.notify_all();
  state_->allIdle.wait_for(lock, lastMoment, [&] { return state_->busy == 0; });
  for (auto& worker : state_->workers) {
    if (!worker.thread.joinable()) continue;
    if (worker.isBusy) worker.thread.detach();
    else ending.push_back(std::move(worker.thread));
  }
  const int busy = state_->busy;
  lock.unlock();
  // What libraries keep for a thread is freed at its end: a process that ended before would leave it behind.
  for (auto& thread : ending) thread.join();
  return busy;
}

}  // namespace taskflow
