#include <map>

#include "check.h"
#include "primary_finder.h"
#include "taskflow/settings.h"

namespace taskflow {
namespace {

// The same cases as those of the other processes: test/redis-settings.test.ts.

using Variables = std::map<std::string, std::string>;

RedisServer readServer(const Variables& variables) {
  return Settings::from([&](const char* name) -> std::optional<std::string> {
           const auto found = variables.find(name);
           return found == variables.end() ? std::nullopt : std::optional(found->second);
         }).high;
}

/** "kind hosts user password sentinel tls", as far as it is set. */
std::string describe(const Variables& variables) {
  const auto server = readServer(variables);
  const char* kinds[] = {"server", "sentinel", "cluster"};
  std::string text = kinds[static_cast<int>(server.kind)];
  for (const auto& [host, port] : server.addresses) text += " " + host + "|" + std::to_string(port);
  if (server.username) text += " user=" + *server.username;
  if (server.password) text += " password=" + *server.password;
  if (server.sentinelName) text += " name=" + *server.sentinelName;
  if (server.sentinelPassword) text += " of-sentinels=" + *server.sentinelPassword;
  return text + (server.tls ? " tls" : "");
}

TEST("where Redis is, is understood from names and from URLs") {
  expectEqual(describe({}), "server 127.0.0.1|6379");
  expectEqual(describe({{"REDIS_HOST_HIGH", "::1"}, {"REDIS_TLS_HIGH", "true"}}), "server ::1|6379 tls");
  expectEqual(describe({{"REDIS_CLUSTER_HIGH", "true"}, {"REDIS_HOST_HIGH", "a,b:7001"}, {"REDIS_PORT_HIGH", "7000"}}),
              "cluster a|7000 b|7001");
  expectEqual(describe({{"REDIS_SENTINEL_HIGH", "mine"},
                        {"REDIS_HOST_HIGH", "a:26379, b:26380"},
                        {"REDIS_SENTINEL_PASSWORD_HIGH", "s"}}),
              "sentinel a|26379 b|26380 name=mine of-sentinels=s");
  expectEqual(describe({{"REDIS_URL_HIGH", "redis://me:p%40ss@[::1]:6380/0"}}),
              "server ::1|6380 user=me password=p@ss");
  expectEqual(describe({{"REDIS_URL_HIGH", "rediss://cache.example.com"}, {"REDIS_PASSWORD_HIGH", "p"}}),
              "server cache.example.com|6379 password=p tls");
  expectEqual(describe({{"REDIS_URL_HIGH", "rediss+cluster://:p@a:7000,b"}, {"REDIS_HOST_HIGH", "redis_high"}}),
              "cluster a|7000 b|6379 password=p tls");
  expectEqual(describe({{"REDIS_URL_HIGH", "redis+sentinel://:p@a,b:26380/mine"}}),
              "sentinel a|26379 b|26380 password=p name=mine");
}

TEST("where Redis is, is refused where it contradicts itself") {
  const auto expectProblem = [](const Variables& variables, const std::string& problem) {
    const std::string text = expectThrow<SettingsError>([&] { readServer(variables); }).what();
    if (text.find(problem) == std::string::npos) throw std::runtime_error("expected " + problem + ", not " + text);
    // What is wrong with it is told without what it holds.
    expectTrue(text.find("u:p@") == std::string::npos, "no password is told");
  };
  for (const auto* url : {"http://a", "redis://a,b", "redis://a/3", "redis://a:70000", "redis://:%zz@a", "redis://:%4@a",
                          "redis+sentinel://a:26379", "redis://a,"}) {
    expectProblem({{"REDIS_URL_HIGH", url}}, "REDIS_URL_HIGH: must be redis://");
  }
  expectProblem({{"REDIS_HOST_HIGH", "a,b"}}, "REDIS_HOST_HIGH: names several hosts: set REDIS_CLUSTER_HIGH=true");
  expectProblem({{"REDIS_HOST_HIGH", "a b"}, {"REDIS_CLUSTER_HIGH", "true"}}, "REDIS_HOST_HIGH: must be a host");
  expectProblem({{"REDIS_CLUSTER_HIGH", "true"}, {"REDIS_SENTINEL_HIGH", "x"}}, "REDIS_CLUSTER_HIGH: a Redis Cluster");
  expectProblem({{"REDIS_SENTINEL_PASSWORD_HIGH", "x"}}, "REDIS_SENTINEL_PASSWORD_HIGH: there are no Sentinels");
  expectProblem({{"REDIS_CA_FILE_HIGH", "/dev/null"}}, "REDIS_CA_FILE_HIGH: is for TLS");
  expectProblem({{"REDIS_TLS_HIGH", "true"}, {"REDIS_CA_FILE_HIGH", "/no/such/file"}},
                "REDIS_CA_FILE_HIGH: cannot read /no/such/file");
  expectProblem({{"REDIS_TLS_HIGH", "true"}, {"REDIS_CERT_FILE_HIGH", "/dev/null"}},
                "REDIS_KEY_FILE_HIGH: a certificate needs its key");
  expectProblem({{"REDIS_TLS_LOW", "perhaps"}}, "REDIS_TLS_LOW: must be true or false");
  const Variables contradicting{{"REDIS_URL_HIGH", "redis://u:p@a"},
                                {"REDIS_TLS_HIGH", "true"},
                                {"REDIS_PASSWORD_HIGH", "q"},
                                {"REDIS_CLUSTER_HIGH", "true"}};
  expectProblem(contradicting, "REDIS_TLS_HIGH: write rediss in REDIS_URL_HIGH");
  expectProblem(contradicting, "REDIS_CLUSTER_HIGH: write redis+cluster:// in REDIS_URL_HIGH");
  expectProblem(contradicting, "REDIS_PASSWORD_HIGH: REDIS_URL_HIGH has another one");
}

TEST("the slot of a shard is that of CLUSTER KEYSLOT") {
  // The specification's own example, and a tag.
  expectEqual(slotOf("{123456789}"), 0x31C3);
  expectEqual(slotOf("{user1000}"), 3'443);
}

}  // namespace
}  // namespace taskflow
