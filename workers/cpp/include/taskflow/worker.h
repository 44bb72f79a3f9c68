#pragma once

#include <memory>
#include <string>
#include <vector>

#include "taskflow/settings.h"
#include "taskflow/task.h"

namespace taskflow {

class WorkerRuntime;

/** Runs tasks until it is stopped. Needs Redis only, and waits for it wherever it is away. */
class Worker {
 public:
  /**
   * Connects, claims and runs by itself from now on, in threads of its own.
   *
   * @throws std::invalid_argument when there are no task types, two of the same name, or a name is not a task type's
   */
  Worker(Settings settings, std::vector<TaskDefinition> tasks);
  /** Stops it, if that was not done. */
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  const std::string& id() const;

  /**
   * Claims no more, lets running tasks finish within the grace period of the settings, then tells the rest to stop and hands
   * them back without using up an attempt. Returns when all that is done, and the worker is off the list of workers.
   *
   * @returns how many handlers still run, though they were told to stop: they cannot be ended from outside, and the process
   * should end itself
   */
  int stop();

 private:
  std::unique_ptr<WorkerRuntime> runtime_;
};

/**
 * The whole of a worker's main(): runs until SIGTERM or SIGINT, then stops in order; a second signal, a second later or more,
 * ends the process at once. Call it before other threads are started.
 *
 * @returns the exit code
 */
int runWorker(const Settings& settings, std::vector<TaskDefinition> tasks);

}  // namespace taskflow
