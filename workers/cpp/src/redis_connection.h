#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backoff.h"
#include "loop.h"
#include "redis_reply.h"
#include "resolver.h"
#include "route.h"
#include "taskflow/settings.h"

namespace taskflow {

/**
 * One connection to Redis, in the loop's thread. It reconnects for ever. Commands are sent in order, without waiting for the
 * answers of earlier ones.
 */
class RedisConnection final : private Loop::Watcher {
 public:
  using Callback = std::function<void(const RedisReply&)>;
  struct Listeners {
    /** At each connection, once it can be used. */
    std::function<void()> onReady = [] {};
    /** Each message of a channel that was subscribed to. */
    std::function<void(std::string_view channel, std::string_view message)> onMessage = [](auto, auto) {};
    /** Told why a connection ended or could not be made, over and over while Redis is away. */
    std::function<void(std::string_view error)> onFailure = [](auto) {};
  };

  /** @param connectTimeout how long connecting may take, and logging in */
  RedisConnection(Loop& loop, std::shared_ptr<Route> route, Login login, Milliseconds connectTimeout, Listeners listeners);
  ~RedisConnection() override;
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  bool isReady() const { return state_ == State::ready; }
  /** Connected, or about to be. */
  bool isOpen() const { return socket_ >= 0; }
  /** The one that it is connected to, if it is open. */
  const RedisAddress& address() const { return address_; }

  /** Breaks the connection to make another one, to where the route leads by now. */
  void leave(std::string_view why) { breakOff(why); }

  /**
   * Sends a command. It fails at once while Redis is away: callers decide whether to wait. One that is not answered in time
   * breaks the connection, since a dead one looks just like that; then all that are on their way fail.
   *
   * @param callback called once, later; not at all after close()
   */
  void send(const std::vector<std::string_view>& words, Milliseconds timeout, Callback callback);

  /** Ends the connection for good. Commands that are on their way are forgotten. */
  void close();

 private:
  enum class State { away, connecting, securing, loggingIn, ready, closed };
  struct Pending {
    Callback callback;
    Clock::time_point deadline;
  };

  bool wantsToWrite() const override;
  void onReadable() override;
  void onWritable() override;

  void connect();
  void connectTo(const Resolution& resolution);
  void onConnected();
  void shakeHands();
  void onSecured();
  void logIn();
  void becomeReady();
  void write(const std::vector<std::string_view>& words, Milliseconds timeout, Callback callback);
  void flush();
  /** @returns how many bytes went; -1 where none can go now, or after it broke the connection off */
  ssize_t transmit(const char* bytes, std::size_t size);
  /** The same for bytes that came. */
  ssize_t receive(char* bytes, std::size_t size);
  ssize_t conclude(const TlsSession::Outcome& outcome);
  void readReplies();
  void handle(const redisReply& reply);
  void watchDeadline();
  void breakOff(std::string_view why);
  void closeSocket();

  struct ReaderDeleter {
    void operator()(redisReader* reader) const { redisReaderFree(reader); }
  };

  Loop& loop_;
  const std::shared_ptr<Route> route_;
  const Login login_;
  const Milliseconds connectTimeout_;
  const Listeners listeners_;
  State state_ = State::away;
  int socket_ = -1;
  RedisAddress address_;
  std::unique_ptr<TlsSession> tls_;
  std::unique_ptr<redisReader, ReaderDeleter> reader_;
  std::string out_;
  std::deque<Pending> pending_;
  Backoff backoff_;
  Loop::Timer reconnectTimer_ = 0;
  Loop::Timer connectTimer_ = 0;
  Loop::Timer deadlineTimer_ = 0;
  /** Tells whether a name that was being looked up is still wanted. */
  std::shared_ptr<bool> isAlive_ = std::make_shared<bool>(true);
  /** Which address of the host is next: all are tried in turn. */
  std::size_t nextAddress_ = 0;
};

}  // namespace taskflow
