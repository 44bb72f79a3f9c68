#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker.h"

namespace taskflow {

/** Sleeps in a blocking read on a connection of its own until a shard has work. */
class WakeListener {
 public:
  struct Options {
    Loop& loop;
    Shard& shard;
    /** Lists on which a token says that there is something to claim. */
    std::vector<std::string> keys;
    /** Told when claiming is worth a try: at a token, at each connection, and when nothing came for a while. */
    std::function<void()> onWake;
  };

  explicit WakeListener(Options options);

  /** Waits for the next wake-up, unless it waits already. */
  void listen();

  /**
   * Stops waiting and closes the connection. The read is ended before the connection is: Redis might otherwise give a token
   * to a connection that nobody reads any more.
   *
   * @param done called once that is done, within a second
   */
  void close(std::function<void()> done);

 private:
  void onReady();
  void block();
  void onReply(const RedisReply& reply);
  void wakeAfter(Milliseconds wait);
  void finishClosing();

  const Options options_;
  std::unique_ptr<RedisConnection> connection_;
  /** Of this connection, as CLIENT UNBLOCK takes it; empty while it is not known. */
  std::string clientId_;
  bool isListening_ = false;
  bool isBlocked_ = false;
  Loop::Timer timer_ = 0;
  /** Set once it is to close. */
  std::function<void()> onClosed_;
};

}  // namespace taskflow
