#include "loop.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>

namespace taskflow {

Inbox::Inbox() {
  if (pipe(pipe_) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  for (const int fd : pipe_) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
}

Inbox::~Inbox() {
  close(pipe_[0]);
  close(pipe_[1]);
}

void Inbox::post(Task task) {
  const std::lock_guard lock(mutex_);
  tasks_.push_back(std::move(task));
  // One byte is enough for all that wait. That a full pipe takes no more is as good.
  if (tasks_.size() == 1) [[maybe_unused]]
    const auto written = write(pipe_[1], "", 1);
}

std::vector<Inbox::Task> Inbox::take() {
  char bytes[64];
  const std::lock_guard lock(mutex_);
  if (tasks_.empty()) return {};
  while (read(pipe_[0], bytes, sizeof bytes) > 0) {
  }
  return std::exchange(tasks_, {});
}

void Loop::run() {
  isStopped_ = false;
  while (!isStopped_) {
    waitForEvents();
    for (const auto& task : inbox_->take()) task();
    runDueTimers();
  }
}

void Loop::waitForEvents() {
  std::vector<pollfd> fds{{inbox_->fd(), POLLIN, 0}};
  for (const auto& [fd, watcher] : watchers_) {
    fds.push_back({fd, static_cast<short>(POLLIN | (watcher->wantsToWrite() ? POLLOUT : 0)), 0});
  }
  if (poll(fds.data(), fds.size(), msUntilNextTimer()) <= 0) return;
  for (std::size_t i = 1; i < fds.size(); i++) {
    // An earlier event of this turn may have closed the socket.
    const auto find = [&] {
      const auto found = watchers_.find(fds[i].fd);
      return found == watchers_.end() ? nullptr : found->second;
    };
    if (fds[i].revents & POLLOUT) {
      if (auto* watcher = find()) watcher->onWritable();
    }
    if (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) {
      if (auto* watcher = find()) watcher->onReadable();
    }
  }
}

Loop::Timer Loop::after(Milliseconds delay, Task task) {
  const auto due = Clock::now() + delay;
  const auto timer = ++lastTimer_;
  dueTimes_[timer] = due;
  timers_.emplace(std::pair(due, timer), std::move(task));
  return timer;
}

void Loop::cancel(Timer& timer) {
  if (const auto found = dueTimes_.find(timer); found != dueTimes_.end()) {
    timers_.erase({found->second, timer});
    dueTimes_.erase(found);
  }
  timer = 0;
}

/** Those that are set meanwhile wait for the next turn, so that sockets get theirs. */
void Loop::runDueTimers() {
  const auto now = Clock::now();
  const auto last = lastTimer_;
  while (!timers_.empty()) {
    const auto first = timers_.begin();
    const auto [due, timer] = first->first;
    if (due > now || timer > last) return;
    const auto task = std::move(first->second);
    dueTimes_.erase(timer);
    timers_.erase(first);
    task();
  }
}

int Loop::msUntilNextTimer() const {
  if (timers_.empty()) return -1;
  const auto wait = std::chrono::ceil<Milliseconds>(timers_.begin()->first.first - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(wait, 0, INT_MAX));
}

}  // namespace taskflow
