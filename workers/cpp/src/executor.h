#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "attempt.h"
#include "deadlines.h"
#include "handler_pool.h"
#include "logger.h"
#include "outcome.h"
#include "side_reporter.h"
#include "slots.h"
#include "taskflow/task.h"

namespace taskflow {

using TasksByType = std::map<std::string, std::shared_ptr<const TaskDefinition>>;

/** @throws std::invalid_argument when there are no task types, two of the same name, or a name is not a task type's */
TasksByType byType(std::vector<TaskDefinition> tasks);

/**
 * Runs a handler: reads the payload, calls, encodes what came of it. In the handler's thread; never throws.
 *
 * @param task null: this worker does not know the type
 */
Outcome runHandler(const TaskDefinition* task, Attempt& attempt, const std::shared_ptr<SideReporter>& side,
                   std::size_t maxResultBytes);

/** Runs attempts in threads, and hands on how each ended, once. */
class Executor {
 public:
  struct Options {
    Loop& loop;
    Slots& slots;
    TasksByType tasks;
    std::shared_ptr<SideReporter> side;
    std::size_t maxResultBytes;
    /** Told in the loop's thread. */
    std::function<void(const AttemptPtr&, const Outcome&)> report;
    const Logger& logger;
  };

  explicit Executor(Options options);

  void execute(const AttemptPtr& attempt);

  /**
   * Says how an attempt ended. The first to do so decides: its handler, its deadline, the loss of its lease, or the shutdown.
   * What its handler does afterwards is ignored.
   */
  void settle(const AttemptPtr& attempt, const Outcome& outcome);

  /** Gives an attempt up without waiting for its handler, whose slot is needed. */
  void lose(const AttemptPtr& attempt);

  /** Lets the threads go. @returns how many handlers still run */
  int close() { return pool_.close(); }

 private:
  void logFailure(const Attempt& attempt, const Outcome& outcome);

  Options options_;
  Deadlines deadlines_;
  HandlerPool pool_;
};

}  // namespace taskflow
