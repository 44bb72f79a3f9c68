#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "attempt.h"
#include "broker.h"
#include "json.h"

namespace taskflow {

/**
 * Tells the broker what running handlers say of themselves, many in one call. What was said before an attempt ended is sent
 * before its end, on the same connection. While Redis is away, progress and lines of attempts that end meanwhile are lost.
 */
class SideReporter : public std::enable_shared_from_this<SideReporter> {
 public:
  /** What one shard has not been told yet. */
  struct Pending {
    struct Progress {
      std::string token;
      double percent;
      std::string detail;
    };
    struct Line {
      std::string id;
      std::string token;
      int number;
      std::string record;
    };
    /** By task id: the last one. */
    std::map<std::string, Progress> progress;
    std::vector<Line> lines;
  };

  SideReporter(Loop& loop, const Logger& logger) : loop_(loop), inbox_(loop.inbox()), logger_(logger) {}

  // From any thread, also after the worker is gone.

  /** @param percent is brought into 0 to 100 */
  void progress(const Attempt& attempt, double percent, const Json& detail);
  void log(Attempt& attempt, LogLevel level, std::string_view message, const Json& fields);

  // In the loop's thread.

  /**
   * Sends the lines that wait for this shard, and the progress of these attempts, whose ends are about to be sent on the same
   * connection. Progress of others waits on: it would go out more often than it may.
   */
  void flush(Shard& shard, const std::vector<AttemptPtr>& ended);
  /** Sends everything. */
  void flushAll();

 private:
  Pending& of(Shard& shard);
  void send(Shard& shard, const Pending& pending);
  void sendLines(Shard& shard, const std::vector<Pending::Line>& lines);
  void sendProgress(Shard& shard, const std::map<std::string, Pending::Progress>& progress);

  Loop& loop_;
  const std::shared_ptr<Inbox> inbox_;
  const Logger logger_;
  std::mutex mutex_;
  std::unordered_map<Shard*, Pending> pending_;
  bool isScheduled_ = false;
};

/** A record as tf1_log takes it: a longer message is cut, and fields that do not fit are left out. */
std::string encodeRecord(const Json& record);

}  // namespace taskflow
