#pragma once

#include <functional>
#include <string>

#include "backoff.h"
#include "broker.h"
#include "executor.h"

namespace taskflow {

/**
 * Says that this worker lives, and which task types it runs: at every interval, and at once when the lane is there or back: it
 * may have lost its data.
 */
class Heartbeat {
 public:
  struct Options {
    Loop& loop;
    Lane& lane;
    std::string workerId;
    Milliseconds interval;
    const TasksByType& tasks;
    /** What is shown of the worker, as JSON. Asked at each heartbeat. */
    std::function<std::string()> describe;
    const Logger& logger;
  };

  explicit Heartbeat(Options options);

  const Lane& lane() const { return options_.lane; }

  /** Sends one now, unless one is on its way. The next follows an interval later, or soon if this one fails. */
  void beat();

  /** Takes the worker off the list; if Redis is away, it falls off by itself. @param done called once that is done */
  void stop(std::function<void()> done);

 private:
  void onAnswer(const RedisReply& reply);
  void sayGoodbye();

  const Options options_;
  Backoff backoff_;
  Loop::Timer timer_ = 0;
  bool isBeating_ = false;
  /** Set once it is to stop. */
  std::function<void()> onStopped_;
};

}  // namespace taskflow
