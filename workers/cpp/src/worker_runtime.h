#pragma once

#include <cstdint>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker.h"
#include "claim_loop.h"
#include "control_listener.h"
#include "executor.h"
#include "heartbeat.h"
#include "lease_keeper.h"
#include "reporter.h"
#include "side_reporter.h"
#include "slots.h"
#include "taskflow/settings.h"

namespace taskflow {

/** The parts of a worker, put together. They live in the loop's thread; the functions here are for other threads. */
class WorkerRuntime {
 public:
  WorkerRuntime(Settings settings, TasksByType tasks);
  ~WorkerRuntime();

  const std::string& id() const { return id_; }

  /** As Worker::stop. */
  int stop();

 private:
  using Done = std::function<void()>;

  void open();
  Executor::Options executorOptions();
  void openClaimLoops();
  ClaimLoop::Options claimLoopOptions(std::vector<std::string> queues, ClaimSlots slots);
  void openLane(Lane& lane);
  void accept(Shard& shard, std::vector<Claim> claims);
  void onGap(const Lane& lane);
  void onRecovered(const Shard& shard);
  std::string describe() const;

  /** Runs a step in the loop's thread, and waits until it said that it is done. @returns whether it was in time */
  bool inLoop(const std::function<void(Done)>& step, Milliseconds limit = Milliseconds::max());
  void handBack();
  void claim();
  void stopClaiming(const Done& done);
  void closeAll(const Done& done);

  const Settings settings_;
  const TasksByType tasks_;
  const std::string id_;
  const std::string startedAt_;
  const Logger logger_;
  Loop loop_;
  Slots slots_;
  std::shared_ptr<SideReporter> side_;
  std::unique_ptr<Broker> broker_;
  std::unique_ptr<Reporter> reporter_;
  std::unique_ptr<Executor> executor_;
  std::vector<std::unique_ptr<ClaimLoop>> claimLoops_;
  std::vector<std::unique_ptr<LeaseKeeper>> keepers_;
  std::vector<std::unique_ptr<ControlListener>> controls_;
  std::vector<std::unique_ptr<Heartbeat>> heartbeats_;
  /** How many attempts ended how, since the start. */
  std::map<std::string, std::int64_t> ended_{
      {"completed", 0}, {"retried", 0}, {"failed", 0}, {"released", 0}, {"lost", 0}};
  bool isStopping_ = false;
  /** How many handlers went on after the stop; -1 before. */
  int leftRunning_ = -1;
  std::thread thread_;
};

}  // namespace taskflow
