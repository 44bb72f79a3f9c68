#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

namespace taskflow {

/**
 * Threads for handlers. One is started where none is idle, so that there are as many as have ever been busy at once; how many
 * that may be is up to the caller.
 */
class HandlerPool {
 public:
  using Job = std::function<void()>;

  HandlerPool() = default;
  ~HandlerPool() { close(); }
  HandlerPool(const HandlerPool&) = delete;
  HandlerPool& operator=(const HandlerPool&) = delete;

  /** @param job must not throw */
  void run(Job job);

  /**
   * Ends the idle threads, and leaves those to themselves that are still busy. What has not begun is not run.
   *
   * @returns how many are still busy
   */
  int close();

 private:
  struct Worker {
    std::thread thread;
    bool isBusy = false;
  };

  /** Shared with the threads, which may outlive the pool. */
  struct State {
    std::mutex mutex;
    std::condition_variable wake;
    std::condition_variable allIdle;
    std::deque<Job> jobs;
    std::list<Worker> workers;
    int idle = 0;
    int busy = 0;
    bool isClosed = false;
  };

  static void work(const std::shared_ptr<State>& state, Worker& self);

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace taskflow
