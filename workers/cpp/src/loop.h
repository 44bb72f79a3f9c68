#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace taskflow {

using Milliseconds = std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/**
 * Through which other threads hand work to the loop's. Outlives the loop where a handler does: what is posted then is
 * dropped.
 */
class Inbox {
 public:
  using Task = std::function<void()>;

  Inbox();
  ~Inbox();
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  /** From any thread. */
  void post(Task task);

  /** Readable when there is something to take. */
  int fd() const { return pipe_[0]; }
  /** Everything that was posted, in order. */
  std::vector<Task> take();

 private:
  std::mutex mutex_;
  std::vector<Task> tasks_;
  int pipe_[2];
};

/**
 * One thread that owns everything but the handlers: sockets, timers and the state of all attempts. So none of that needs a
 * lock, and whatever is ready in the same turn can share a call to Redis.
 */
class Loop {
 public:
  using Task = Inbox::Task;

  /** What wants to know about a socket. */
  class Watcher {
   public:
    virtual ~Watcher() = default;
    virtual bool wantsToWrite() const = 0;
    virtual void onReadable() = 0;
    virtual void onWritable() = 0;
  };

  /** Names a timer; 0 names none. */
  using Timer = std::uint64_t;

  Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  const std::shared_ptr<Inbox>& inbox() const { return inbox_; }

  /** Runs until stop() was called in it. */
  void run();
  void stop() { isStopped_ = true; }

  /** Calls it once, after this time at the earliest; with 0, at the end of this turn. */
  Timer after(Milliseconds delay, Task task);
  /** Forgets a timer and sets its name to 0. */
  void cancel(Timer& timer);

  void watch(int fd, Watcher& watcher) { watchers_[fd] = &watcher; }
  void unwatch(int fd) { watchers_.erase(fd); }

 private:
  void waitForEvents();
  void runDueTimers();
  int msUntilNextTimer() const;

  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::unordered_map<int, Watcher*> watchers_;
  /** In the order in which they are due; those of the same time in the order in which they were set. */
  std::map<std::pair<Clock::time_point, Timer>, Task> timers_;
  std::unordered_map<Timer, Clock::time_point> dueTimes_;
  Timer lastTimer_ = 0;
  bool isStopped_ = false;
};

}  // namespace taskflow
