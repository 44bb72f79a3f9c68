#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "taskflow/redis_server.h"
#include "tls.h"

namespace taskflow {

class RedisConnection;

/** How connections get to their server. */
class Route {
 public:
  /** Told the address, or why it is not known now. */
  using Found = std::function<void(const std::optional<RedisAddress>&, std::string_view error)>;

  virtual ~Route() = default;
  /** Asked before each connection. */
  virtual void find(Found found) = 0;
  /** Whether it leads to a primary, which may move. */
  virtual bool isToPrimary() const { return false; }
  /** From then on the connection may be made to leave its server, until unfollow(). */
  virtual void follow(RedisConnection&) {}
  virtual void unfollow(RedisConnection&) {}
};

/** To one server, wherever. */
class StraightRoute final : public Route {
 public:
  explicit StraightRoute(RedisAddress address) : address_(std::move(address)) {}
  void find(Found found) override { found(address_, ""); }

 private:
  const RedisAddress address_;
};

/** As whom to log in, and how. */
struct Login {
  std::optional<std::string> username;
  /** Without one nobody logs in. */
  std::optional<std::string> password;
  /** None: without TLS. */
  std::shared_ptr<const TlsContext> tls;
};

}  // namespace taskflow
