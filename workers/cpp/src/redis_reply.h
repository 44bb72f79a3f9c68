#pragma once

#include <hiredis/hiredis.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace taskflow {

/** What became of a command: an answer, or why there is none. Valid during the callback only. */
class RedisReply {
 public:
  /** @param reply stays the caller's */
  explicit RedisReply(const redisReply* reply) : reply_(reply) {}
  static RedisReply failure(std::string_view why) {
    RedisReply reply(nullptr);
    reply.why_ = why;
    return reply;
  }

  /** Redis refused the command, or could not be asked. */
  bool failed() const { return !reply_ || reply_->type == REDIS_REPLY_ERROR; }
  /** Why, without the arguments of the command, which Redis quotes where it does not know it: payloads and results. */
  std::string_view error() const {
    const auto text = reply_ ? std::string_view(reply_->str, reply_->len) : why_;
    return text.substr(0, text.find(", with args beginning with"));
  }

  bool isNil() const { return reply_ && reply_->type == REDIS_REPLY_NIL; }
  std::int64_t integer() const { return reply_->integer; }
  /** A text, or a number as one. */
  std::string text() const {
    if (reply_->type == REDIS_REPLY_INTEGER) return std::to_string(reply_->integer);
    return reply_->str ? std::string(reply_->str, reply_->len) : std::string();
  }

  /** Of an array; 0 for anything else. */
  std::size_t size() const { return reply_ && reply_->type == REDIS_REPLY_ARRAY ? reply_->elements : 0; }
  RedisReply operator[](std::size_t i) const { return RedisReply(reply_->element[i]); }

 private:
  const redisReply* reply_;
  std::string_view why_;
};

}  // namespace taskflow
