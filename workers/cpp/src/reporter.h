#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "attempt.h"
#include "broker.h"
#include "outbox.h"
#include "outcome.h"
#include "side_reporter.h"
#include "slots.h"

namespace taskflow {

/**
 * Tells the broker how attempts ended, many in one call for each shard, and frees their slots once they were accepted or
 * their lease turned out to be lost. While Redis is away they are kept.
 */
class Reporter {
 public:
  struct Options {
    Loop& loop;
    std::string workerId;
    Slots& slots;
    /** What it still has of attempts is sent before their ends. */
    std::shared_ptr<SideReporter> side;
    const Logger& logger;
    /** Told when slots were freed, or when waiting for them became pointless. */
    std::function<void()> onStep;
  };

  explicit Reporter(Options options) : options_(std::move(options)) {}

  /** Some slots will be free as soon as Redis answers. */
  bool isBusy() const;

  void report(const AttemptPtr& attempt, const Outcome& outcome);

  /** Gives up what was not accepted yet: its leases run out, and the tasks are run again. */
  void close();

 private:
  /** One for each function that reports, since a call takes outcomes of one kind. */
  Outbox& outboxOf(Shard& shard, const std::string& function);
  std::unique_ptr<Outbox> openOutbox(Shard& shard, const std::string& function);
  void free(const Outbox::Entries& entries, const std::vector<std::string>& lostIds);
  void drop(const AttemptPtr& attempt);

  const Options options_;
  std::map<std::pair<Shard*, std::string>, std::unique_ptr<Outbox>> outboxes_;
};

}  // namespace taskflow
