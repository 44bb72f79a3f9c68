#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "logger.h"
#include "primary_finder.h"
#include "redis_connection.h"
#include "taskflow/settings.h"

namespace taskflow {

class Lane;

/** One partition of a lane. All its keys begin with its tag, and no command names keys of two shards. */
struct Shard {
  /** "high:0" */
  std::string id;
  /** "{tf:high:0}" */
  std::string tag;
  Lane& lane;
  /** For short commands, to the server that has its keys. All shards of a lane share one, but in a cluster each has its own. */
  std::shared_ptr<RedisConnection> redis;
  /** To that server. */
  std::shared_ptr<Route> route;

  /** A list on which a token says that there is something to claim. @param queue a queue's name, or "*" */
  std::string wakeKey(const std::string& queue, const std::string& type) const {
    return tag + ":wake:" + queue + "|" + type;
  }
  /** The channel on which workers are told that a task of theirs is to stop. */
  std::string controlChannel() const { return tag + ":control"; }

  /** A further connection there, for one reader that blocks in it. Its failures are logged. */
  std::unique_ptr<RedisConnection> connect(std::function<void()> onReady) const;

  /** Calls a function of the library: "claim" for tf1_claim. @param args as the head of its Lua file says */
  void call(std::string_view function, const std::vector<std::string_view>& args, RedisConnection::Callback callback);
};

/** One Redis with its shards and a connection for short commands. */
class Lane {
 public:
  Lane(Loop& loop, std::string name, const RedisServer& server, const Settings& settings, QuietLog& failures);

  const std::string& name() const { return name_; }
  std::deque<Shard>& shards() { return shards_; }
  Milliseconds commandTimeout() const { return commandTimeout_; }
  /** Told at each connection to its first shard. For one listener. */
  void onReady(std::function<void()> listener) { onReady_ = std::move(listener); }

  /** A further connection to the first shard's server, or by another route. Its failures are logged. */
  std::unique_ptr<RedisConnection> connect(std::function<void()> onReady,
                                           decltype(RedisConnection::Listeners::onMessage) onMessage = [](auto, auto) {},
                                           std::shared_ptr<Route> route = nullptr);

 private:
  Loop& loop_;
  const std::string name_;
  const Login login_;
  const Milliseconds commandTimeout_;
  QuietLog& failures_;
  std::deque<Shard> shards_;
  std::function<void()> onReady_ = [] {};
};

/** The two lanes. Connects at once, and for ever. */
class Broker {
 public:
  Broker(Loop& loop, const Settings& settings, const Logger& logger);

  Lane high;
  Lane low;

  std::vector<Lane*> lanes() { return {&high, &low}; }
  std::vector<Shard*> shards();

 private:
  Broker(Loop& loop, const Settings& settings, std::unique_ptr<QuietLog> failures);

  std::unique_ptr<QuietLog> failures_;
};

}  // namespace taskflow
