#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loop.h"
#include "redis_reply.h"

namespace taskflow {

/** An attempt that this worker was given. */
struct Claim {
  std::string id;
  /** Entitles to this attempt; anything reported with another token is refused. */
  std::string token;
  std::int64_t attempt = 0;
  std::int64_t maxAttempts = 0;
  std::optional<Milliseconds> timeout;
  std::string ownerId;
  std::string queue;
  std::string type;
  /** JSON text. */
  std::string payload;
  /** What became of the tasks that it waited for: JSON text; empty where it waited for none. */
  std::string parents;
  /** W3C Trace Context of its submission; empty where that is not traced. */
  std::string traceparent;
};

/** Reads the reply of tf1_claim. */
std::vector<Claim> parseClaims(const RedisReply& reply);

}  // namespace taskflow
