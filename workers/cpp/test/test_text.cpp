#include "check.h"
#include "claim.h"
#include "side_reporter.h"
#include "text.h"

namespace taskflow {
namespace {

TEST("texts are measured in UTF-16 units") {
  expectEqual(lengthOf(""), 0u);
  expectEqual(lengthOf("Größe"), 5u);
  expectEqual(lengthOf("𝄞"), 2u);
}

TEST("texts are cut between characters") {
  expectEqual(std::string(beginningOf("Größe", 3)), "Grö");
  expectEqual(std::string(beginningOf("a𝄞b", 2)), "a");
  expectEqual(std::string(beginningOf("a𝄞b", 3)), "a𝄞");
  expectEqual(std::string(beginningOf("ab", 9)), "ab");
}

TEST("shortened texts say so") {
  expectEqual(shorten("12345", 5), "12345");
  expectEqual(shorten("123456", 5), "1234…");
}

TEST("nesting is counted outside of texts only") {
  expectEqual(nestingOf("1"), 0u);
  expectEqual(nestingOf(R"([{"a": [1]}, []])"), 3u);
  expectEqual(nestingOf(R"(["[[[[", "\"[[", "\\"])"), 1u);
  expectEqual(nestingOf("]]]]["), 1u);
}

TEST("records keep what fits") {
  const Json record{{"level", "info"}, {"message", "hello"}, {"fields", {{"rows", 2}}}};
  expectEqual(encodeRecord(record), record.dump());
}

TEST("records that are too long lose their fields, then the end of their message") {
  const auto cut = Json::parse(encodeRecord({{"level", "warn"}, {"message", "short"}, {"fields", std::string(9'000, 'x')}}));
  expectEqual(cut, Json({{"level", "warn"}, {"message", "short"}, {"isCut", true}}));
  std::string message;
  for (int i = 0; i < 9'000; i++) message += "ü";
  const auto longest = Json::parse(encodeRecord({{"level", "info"}, {"message", message}}));
  expectEqual(longest["message"].get<std::string>(), message.substr(0, 8'000));
}

TEST("bytes that are no UTF-8 do not break a record") {
  const auto record = Json::parse(encodeRecord({{"level", "info"}, {"message", "a\xff" "b"}}));
  expectEqual(record["message"].get<std::string>(), "a\uFFFD" "b");
}

/** A reply as hiredis makes it, from what Redis sends. */
std::unique_ptr<redisReply, void (*)(redisReply*)> replyOf(const std::string& bytes) {
  const std::unique_ptr<redisReader, void (*)(redisReader*)> reader(redisReaderCreate(), redisReaderFree);
  redisReaderFeed(reader.get(), bytes.data(), bytes.size());
  void* reply = nullptr;
  redisReaderGetReply(reader.get(), &reply);
  return {static_cast<redisReply*>(reply), [](redisReply* each) { freeReplyObject(each); }};
}

TEST("claims are read from a flat reply of texts and numbers") {
  const auto reply = replyOf(
      "*20\r\n$1\r\na\r\n$3\r\n7.2\r\n:1\r\n:3\r\n$0\r\n\r\n$5\r\nowner\r\n$1\r\nq\r\n$4\r\necho\r\n$7\r\n{\"n\":1}\r\n$0\r\n\r\n"
      "$1\r\nb\r\n$3\r\n7.5\r\n:2\r\n:2\r\n$5\r\n60000\r\n$5\r\nowner\r\n$1\r\nq\r\n$4\r\necho\r\n$4\r\nnull\r\n$2\r\n{}\r\n");
  const auto claims = parseClaims(RedisReply(reply.get()));
  expectEqual(claims.size(), 2u);
  expectEqual(claims[0].id + " " + claims[0].token + " " + claims[0].payload, R"(a 7.2 {"n":1})");
  expectTrue(!claims[0].timeout && claims[0].parents.empty(), "the first has neither time limit nor parents");
  expectEqual(claims[1].attempt, 2);
  expectEqual(claims[1].timeout->count(), 60'000);
  expectEqual(claims[1].parents, "{}");
  expectTrue(claims[0].traceparent.empty() && claims[1].traceparent.empty(), "none is traced");
  expectEqual(parseClaims(RedisReply(replyOf("*0\r\n").get())).size(), 0u);
}

TEST("the traces of claims stand at the end of the reply") {
  const std::string claim = "$3\r\n7.2\r\n:1\r\n:3\r\n$0\r\n\r\n$5\r\nowner\r\n$1\r\nq\r\n$4\r\necho\r\n$4\r\nnull\r\n$0\r\n\r\n";
  const auto reply = replyOf("*31\r\n$1\r\na\r\n" + claim + "$1\r\nb\r\n" + claim + "$1\r\nc\r\n" + claim +
                             "$18\r\na\t00-1-2-01\nc\t00-3\r\n");
  const auto claims = parseClaims(RedisReply(reply.get()));
  expectEqual(claims.size(), 3u);
  expectEqual(claims[0].traceparent, "00-1-2-01");
  expectTrue(claims[1].traceparent.empty(), "the second is not traced");
  expectEqual(claims[2].traceparent, "00-3");
}

}  // namespace
}  // namespace taskflow
