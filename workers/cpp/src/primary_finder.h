#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "redis_connection.h"

namespace taskflow {

/** Asks Sentinels, or nodes of a cluster, which servers are the primaries of a lane's shards. In the loop's thread. */
class PrimaryFinder final : public std::enable_shared_from_this<PrimaryFinder> {
 public:
  /** @param tags of the shards whose primaries are wanted @param timeout of connecting to one of them, and of its answer */
  PrimaryFinder(Loop& loop, RedisServer server, std::vector<std::string> tags, Login login, Milliseconds timeout);
  ~PrimaryFinder();
  PrimaryFinder(const PrimaryFinder&) = delete;
  PrimaryFinder& operator=(const PrimaryFinder&) = delete;

  /** To the primary of a shard. */
  std::shared_ptr<Route> routeTo(const std::string& tag);

 private:
  class ToPrimary;
  /** By tag; empty where the look failed. */
  using Primaries = std::map<std::string, RedisAddress>;
  using Heard = std::function<void(const Primaries&, std::string_view error)>;
  struct Follower {
    std::string tag;
    /** Where the primary was at the last look, if not here. */
    std::optional<RedisAddress> elsewhere;
  };

  void look(Heard heard);
  void askNext();
  void ask();
  void askSentinel();
  void askNode();
  void onSlots(const RedisReply& reply);
  void tryNext(std::string_view why);
  void dropScout();
  void end(const Primaries& primaries, std::string_view error);
  void watchOn();
  void hear(const Primaries& primaries);

  Loop& loop_;
  const RedisServer server_;
  const std::vector<std::string> tags_;
  const Login login_;
  const Milliseconds timeout_;
  /** The one that answered last comes first. */
  std::vector<RedisAddress> candidates_;
  std::shared_ptr<RedisConnection> scout_;
  /** How many more are asked in this look. */
  std::size_t left_ = 0;
  std::vector<Heard> waiting_;
  std::map<RedisConnection*, Follower> followers_;
  Loop::Timer watchTimer_ = 0;
};

/** The slot of a shard in a cluster: CRC16 of what stands between the braces of its tag, modulo 16,384. */
int slotOf(std::string_view tag);

}  // namespace taskflow
