#pragma once

#include <optional>
#include <string>
#include <vector>

namespace taskflow {

struct RedisAddress {
  std::string host;
  int port = 6379;

  bool operator==(const RedisAddress&) const = default;
};

/** Files for connections with TLS, as PEM. */
struct RedisTls {
  /** Certificates of the authorities to trust. Default: the system's. */
  std::optional<std::string> caFile;
  /** The worker's own certificate with its key, for a Redis that asks for one. */
  std::optional<std::string> certFile;
  std::optional<std::string> keyFile;
};

/** Where one lane's Redis is, how to reach it, and as whom to log in. */
struct RedisServer {
  /** One server; Sentinels, which know where it is; or nodes of a cluster. */
  enum class Kind { server, sentinel, cluster };

  Kind kind = Kind::server;
  /** The server's; or those of Sentinels or nodes, which are asked in turn. At least one. */
  std::vector<RedisAddress> addresses{{"127.0.0.1", 6379}};
  /** Without one it is Redis's user "default". */
  std::optional<std::string> username;
  /** Without one nobody logs in. */
  std::optional<std::string> password;
  /** By what name Sentinels know the primary. */
  std::optional<std::string> sentinelName;
  /** What Sentinels want to hear themselves. */
  std::optional<std::string> sentinelPassword;
  /** Default: without TLS. */
  std::optional<RedisTls> tls;
};

}  // namespace taskflow
