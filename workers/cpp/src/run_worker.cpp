#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <future>
#include <iostream>
#include <thread>

#include "logger.h"
#include "taskflow/worker.h"

namespace taskflow {
namespace {

/** A process that has not stopped after this time ends at once. */
constexpr std::chrono::seconds longestStop{60};
/** A Ctrl-C may reach a process twice: from the terminal, and passed on by its parent. A second signal counts after this. */
constexpr std::chrono::seconds sameSignal{1};

/** Waits for signals in a thread of its own, so that nothing has to be done in a signal handler. */
class Signals {
 public:
  /** From now on, the signals are blocked in this thread and in those that it starts. */
  Signals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGTERM);
    sigaddset(&set_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    // A log that nobody reads any more is no reason to end.
    signal(SIGPIPE, SIG_IGN);
    thread_ = std::thread([this] { listen(); });
  }

  ~Signals() {
    isOver_ = true;
    pthread_kill(thread_.native_handle(), SIGTERM);
    thread_.join();
  }

  /** @returns the name of the first one */
  const char* await() { return first_.get_future().get() == SIGTERM ? "SIGTERM" : "SIGINT"; }

 private:
  void listen() {
    first_.set_value(next(std::nullopt));
    const auto since = Clock::now();
    while (!isOver_) {
      const auto left = longestStop - (Clock::now() - since);
      if (next(left) != 0 && Clock::now() - since < sameSignal) continue;
      if (!isOver_) _exit(1);
    }
  }

  /** @returns the next signal; 0 when the time is up */
  int next(std::optional<Clock::duration> limit) {
    int signal = 0;
    if (!limit) {
      sigwait(&set_, &signal);
      return signal;
    }
    const auto seconds = std::max<long>(0, std::chrono::ceil<std::chrono::seconds>(*limit).count());
    const timespec time{seconds, 0};
    // That the process was stopped and continued interrupts the wait, but does not end it.
    do {
      signal = sigtimedwait(&set_, nullptr, &time);
    } while (signal < 0 && errno == EINTR);
    return std::max(0, signal);
  }

  sigset_t set_;
  std::promise<int> first_;
  std::atomic<bool> isOver_ = false;
  std::thread thread_;
};

}  // namespace

int runWorker(const Settings& settings, std::vector<TaskDefinition> tasks) {
  Signals signals;
  const Logger logger(settings.logLevel, {{"process", "worker"}, {"pid", getpid()}});
  int leftRunning = 0;
  {
    Worker worker(settings, std::move(tasks));
    logger.info("started");
    logger.info("stopping", {{"reason", signals.await()}});
    leftRunning = worker.stop();
  }
  logger.info("stopped");
  // What goes on in other threads must not find the process half taken down.
  if (leftRunning > 0) std::_Exit(EXIT_SUCCESS);
  return EXIT_SUCCESS;
}

}  // namespace taskflow
