#include "worker_runtime.h"

#include <unistd.h>

#include <algorithm>
#include <random>

namespace taskflow {
namespace {

/** How long handlers may take to end once they are told to stop at a shutdown, so that two runs do not overlap. */
constexpr Milliseconds stopGrace{500};
/** How long a shutdown waits for Redis to take the last outcomes. What it does not take is run again. */
constexpr Milliseconds flushTime{3'000};

std::string hostName() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return name;
}

/** How an attempt ended, in a word. */
std::string describeEnd(const Attempt& attempt, const Outcome& outcome) {
  if (attempt.isLost()) return "lost";
  if (std::holds_alternative<taskflow::Done>(outcome)) return "completed";
  if (std::holds_alternative<Released>(outcome)) return "released";
  const auto isTriedAgain = std::holds_alternative<Retry>(outcome) && attempt.claim.attempt < attempt.claim.maxAttempts;
  return isTriedAgain ? "retried" : "failed";
}

std::string newWorkerId() {
  char digits[16];
  std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(std::random_device()()));
  return hostName() + "-" + std::to_string(getpid()) + "-" + digits;
}

}  // namespace

WorkerRuntime::WorkerRuntime(Settings settings, TasksByType tasks)
    : settings_(std::move(settings)),
      tasks_(std::move(tasks)),
      id_(newWorkerId()),
      startedAt_(isoTime(std::chrono::system_clock::now())),
      logger_(settings_.logLevel, {{"process", "worker"}, {"pid", getpid()}, {"workerId", id_}}),
      slots_(settings_.concurrency),
      side_(std::make_shared<SideReporter>(loop_, logger_)) {
  open();
  logger_.info("worker started", {{"queues", settings_.queues}, {"concurrency", settings_.concurrency}});
  thread_ = std::thread([this] { loop_.run(); });
}

WorkerRuntime::~WorkerRuntime() { stop(); }

void WorkerRuntime::open() {
  broker_ = std::make_unique<Broker>(loop_, settings_, logger_);
  reporter_ = std::make_unique<Reporter>(
      Reporter::Options{loop_, id_, slots_, side_, logger_, [this] { claim(); }});
  executor_ = std::make_unique<Executor>(executorOptions());
  for (auto* shard : broker_->shards()) {
    keepers_.push_back(std::make_unique<LeaseKeeper>(LeaseKeeper::Options{
        loop_, *shard, slots_, settings_.lease, [this](const AttemptPtr& attempt) { executor_->lose(attempt); }, logger_}));
  }
  for (auto* lane : broker_->lanes()) openLane(*lane);
  openClaimLoops();
}

Executor::Options WorkerRuntime::executorOptions() {
  const auto report = [this](const AttemptPtr& attempt, const Outcome& outcome) {
    ended_[describeEnd(*attempt, outcome)]++;
    reporter_->report(attempt, outcome);
  };
  return {loop_, slots_, tasks_, side_, settings_.maxResultBytes, report, logger_};
}

/** Queues with limits of their own are claimed from one by one, since a call has one limit; the others in one call. */
void WorkerRuntime::openClaimLoops() {
  const auto open = [this](std::vector<std::string> queues, ClaimSlots slots) {
    claimLoops_.push_back(std::make_unique<ClaimLoop>(claimLoopOptions(std::move(queues), slots)));
  };
  std::vector<std::string> unlimited;
  for (const auto& queue : settings_.queues) {
    const auto limit = settings_.queueLimits.find(queue);
    if (limit == settings_.queueLimits.end()) unlimited.push_back(queue);
    else open({queue}, ClaimSlots(slots_, queue, limit->second));
  }
  if (!unlimited.empty()) open(std::move(unlimited), ClaimSlots(slots_));
}

ClaimLoop::Options WorkerRuntime::claimLoopOptions(std::vector<std::string> queues, ClaimSlots slots) {
  std::vector<std::string> types;
  for (const auto& [type, task] : tasks_) types.push_back(type);
  return {loop_,
          *broker_,
          id_,
          std::move(queues),
          std::move(types),
          settings_.lease,
          slots,
          [this] { return reporter_->isBusy(); },
          [this](Shard& shard, std::vector<Claim> claims) { accept(shard, std::move(claims)); },
          [this] { claim(); },
          [this](Shard& shard) { onRecovered(shard); },
          logger_};
}

void WorkerRuntime::openLane(Lane& lane) {
  controls_.push_back(std::make_unique<ControlListener>(
      ControlListener::Options{lane, id_, slots_, [this, &lane] { onGap(lane); }, logger_}));
  heartbeats_.push_back(std::make_unique<Heartbeat>(Heartbeat::Options{
      loop_, lane, id_, settings_.heartbeatInterval, tasks_, [this] { return describe(); }, logger_}));
}

void WorkerRuntime::accept(Shard& shard, std::vector<Claim> claims) {
  for (auto& claim : claims) {
    const auto attempt = std::make_shared<Attempt>(std::move(claim), shard);
    if (const auto earlier = slots_.take(attempt)) executor_->lose(earlier);
    if (isStopping_) executor_->settle(attempt, Released{});
    else executor_->execute(attempt);
  }
}

/** Extending the leases also tells which tasks are to stop. */
void WorkerRuntime::onGap(const Lane& lane) {
  for (const auto& keeper : keepers_) {
    if (&keeper->shard().lane == &lane) keeper->extend();
  }
}

void WorkerRuntime::onRecovered(const Shard& shard) {
  for (const auto& heartbeat : heartbeats_) {
    if (&heartbeat->lane() == &shard.lane) heartbeat->beat();
  }
}

std::string WorkerRuntime::describe() const {
  std::vector<std::string> types;
  for (const auto& [type, task] : tasks_) types.push_back(type);
  return encode(Json{{"language", "cpp"},
                     {"host", hostName()},
                     {"pid", getpid()},
                     {"version", TASKFLOW_VERSION},
                     {"queues", settings_.queues},
                     {"concurrency", settings_.concurrency},
                     {"running", slots_.taken()},
                     {"types", types},
                     {"attempts", ended_},
                     {"startedAt", startedAt_}});
}

int WorkerRuntime::stop() {
  if (leftRunning_ >= 0) return leftRunning_;
  logger_.info("worker stops", {{"graceMs", settings_.shutdownGrace.count()}});
  inLoop([this](Done done) {
    isStopping_ = true;
    stopClaiming(done);
  });
  const auto drain = [this](Done done) { slots_.onDrained(std::move(done)); };
  if (!inLoop(drain, settings_.shutdownGrace)) handBack();
  inLoop([this](const Done& done) { closeAll(done); });
  loop_.inbox()->post([this] { loop_.stop(); });
  thread_.join();
  leftRunning_ = executor_->close();
  logger_.info("worker stopped", {{"unreported", slots_.taken()}, {"leftRunning", leftRunning_}});
  return leftRunning_;
}

void WorkerRuntime::handBack() {
  const auto drain = [this](Done done) { slots_.onDrained(std::move(done)); };
  inLoop([this](const Done& done) {
    for (const auto& attempt : slots_.all()) attempt->stop(StopReason::shuttingDown);
    done();
  });
  inLoop(drain, stopGrace);
  inLoop([this](const Done& done) {
    for (const auto& attempt : slots_.all()) executor_->settle(attempt, Released{});
    done();
  });
  inLoop(drain, flushTime);
}

/** Lets the loops claim, each time another one first: those that come later find what is left. */
void WorkerRuntime::claim() {
  std::ranges::rotate(claimLoops_, claimLoops_.begin() + 1);
  for (const auto& claimLoop : claimLoops_) claimLoop->wake();
}

void WorkerRuntime::stopClaiming(const Done& done) {
  const auto left = std::make_shared<std::size_t>(claimLoops_.size());
  for (const auto& claimLoop : claimLoops_) {
    claimLoop->stop([left, done] {
      if (--*left == 0) done();
    });
  }
}

void WorkerRuntime::closeAll(const Done& done) {
  for (const auto& keeper : keepers_) keeper->stop();
  for (const auto& control : controls_) control->close();
  side_->flushAll();
  reporter_->close();
  // Heartbeats answer one after the other: the last one is done last.
  const auto left = std::make_shared<std::size_t>(heartbeats_.size());
  for (const auto& heartbeat : heartbeats_) {
    heartbeat->stop([left, done] {
      if (--*left == 0) done();
    });
  }
}

bool WorkerRuntime::inLoop(const std::function<void(Done)>& step, Milliseconds limit) {
  const auto promise = std::make_shared<std::promise<void>>();
  auto future = promise->get_future();
  loop_.inbox()->post([step, promise, isDone = std::make_shared<bool>(false)] {
    step([promise, isDone] {
      if (!std::exchange(*isDone, true)) promise->set_value();
    });
  });
  if (limit == Milliseconds::max()) {
    future.wait();
    return true;
  }
  return future.wait_for(limit) == std::future_status::ready;
}

}  // namespace taskflow
