#include "redis_settings.h"

#include <unistd.h>

#include <algorithm>
#include <regex>

namespace taskflow {
namespace {

using Kind = RedisServer::Kind;

constexpr int redisPort = 6'379;
constexpr int sentinelPort = 26'379;
constexpr auto urlRule =
    "must be redis://, redis+cluster:// or redis+sentinel:// (rediss… with TLS), then user:password@, hosts with commas "
    "between, and for Sentinels /<name of the primary>; as redis+sentinel://a:26379,b:26379/mymaster";

/** "a", "a:6379", "[::1]:6379", with commas between. Empty where one is none of these. */
std::vector<RedisAddress> addressesOf(const std::string& hosts, int port) {
  static const std::regex bareIpv6("[0-9a-fA-F:.]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*");
  static const std::regex form("\\s*(?:\\[([0-9a-fA-F:.]+)\\]|([^:\\[\\]\\s]+))(?::(\\d{1,5}))?\\s*");
  // A single address of IPv6 may stand without brackets where no port can follow it.
  if (std::regex_match(hosts, bareIpv6)) return {{hosts, port}};
  std::vector<RedisAddress> addresses;
  for (std::size_t start = 0; start <= hosts.size();) {
    const auto comma = std::min(hosts.find(',', start), hosts.size());
    const auto text = hosts.substr(start, comma - start);
    std::smatch match;
    if (!std::regex_match(text, match, form)) return {};
    const RedisAddress address{match[1].matched ? match[1] : match[2], match[3].matched ? std::stoi(match[3]) : port};
    if (address.port < 1 || address.port > 65'535) return {};
    addresses.push_back(address);
    start = comma + 1;
  }
  return addresses;
}

/** Undoes %40 and its like. nullopt where two hexadecimal digits do not follow. */
std::optional<std::string> decode(const std::string& text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); i++) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    int byte = 0;
    const auto* first = text.data() + i + 1;
    if (i + 2 >= text.size()) return std::nullopt;
    if (std::from_chars(first, first + 2, byte, 16).ptr != first + 2) return std::nullopt;
    decoded += static_cast<char>(byte);
    i += 2;
  }
  return decoded;
}

std::optional<std::string> unlessEmpty(const std::optional<std::string>& text) {
  return text && !text->empty() ? text : std::nullopt;
}

/** nullopt for what is no URL of a Redis. */
std::optional<RedisServer> fromUrl(const std::string& url) {
  static const std::regex form(
      "redis(s?)(?:\\+(sentinel|cluster))?://(?:([^:@/]*)(?::([^@/]*))?@)?([^@/?#]+)(?:/([^/?#]*))?");
  std::smatch match;
  if (!std::regex_match(url, match, form)) return std::nullopt;
  const auto username = decode(match[3]);
  const auto password = decode(match[4]);
  const auto path = decode(match[6]);
  if (!username || !password || !path) return std::nullopt;
  RedisServer server;
  server.kind = match[2] == "sentinel" ? Kind::sentinel : match[2] == "cluster" ? Kind::cluster : Kind::server;
  const bool isSentinel = server.kind == Kind::sentinel;
  server.addresses = addressesOf(match[5], isSentinel ? sentinelPort : redisPort);
  // Database 0 is the only one of a cluster, and ours: prefixes keep TaskFlows apart.
  const bool isPathGood = isSentinel ? !path->empty() : path->empty() || *path == "0";
  if (server.addresses.empty() || !isPathGood) return std::nullopt;
  if (server.kind == Kind::server && server.addresses.size() > 1) return std::nullopt;
  server.username = unlessEmpty(username);
  server.password = unlessEmpty(password);
  if (isSentinel) server.sentinelName = path;
  if (match[1].length() > 0) server.tls.emplace();
  return server;
}

/** The settings of one lane. */
class LaneReader {
 public:
  LaneReader(SettingsReader& reader, std::string lane) : reader_(reader), lane_(std::move(lane)) {}

  RedisServer read() {
    const auto url = text("URL");
    const auto named = fromNames();
    const auto found = url ? fromUrl(*url) : named;
    if (!found) {
      complain("URL", urlRule);
      return named;
    }
    auto server = *found;
    if (url) findContradictions(server, named);
    else checkNames(server);
    server.sentinelPassword = text("SENTINEL_PASSWORD");
    if (server.sentinelPassword && server.kind != Kind::sentinel) {
      complain("SENTINEL_PASSWORD", "there are no Sentinels; set " + nameOf("SENTINEL") + " to the primary's name");
    }
    const RedisTls files{text("CA_FILE"), text("CERT_FILE"), text("KEY_FILE")};
    checkFiles(files, server.tls.has_value());
    if (server.tls) server.tls = files;
    if (!server.username) server.username = named.username;
    if (!server.password) server.password = named.password;
    return server;
  }

 private:
  std::string nameOf(const std::string& name) const { return "REDIS_" + name + "_" + lane_; }
  std::optional<std::string> text(const std::string& name) const { return reader_.text(nameOf(name)); }
  void complain(const std::string& name, const std::string& rule) { reader_.complain(nameOf(name), rule); }

  RedisServer fromNames() {
    RedisServer server;
    isCluster_ = reader_.flag(nameOf("CLUSTER"));
    server.sentinelName = text("SENTINEL");
    server.kind = server.sentinelName ? Kind::sentinel : isCluster_ ? Kind::cluster : Kind::server;
    const auto port = static_cast<int>(reader_.integer(nameOf("PORT"), redisPort, 1, 65'535));
    server.addresses = addressesOf(text("HOST").value_or("127.0.0.1"), port);
    server.username = text("USERNAME");
    server.password = text("PASSWORD");
    if (reader_.flag(nameOf("TLS"))) server.tls.emplace();
    return server;
  }

  void checkNames(const RedisServer& server) {
    if (isCluster_ && server.sentinelName) {
      complain("CLUSTER", "a Redis Cluster needs no Sentinels; set only one of this and " + nameOf("SENTINEL"));
    } else if (server.addresses.empty()) {
      complain("HOST", "must be a host, or several with commas between, as a:6379,b:6379");
    } else if (server.kind == Kind::server && server.addresses.size() > 1) {
      complain("HOST", "names several hosts: set " + nameOf("CLUSTER") + "=true, or " + nameOf("SENTINEL") +
                           " to the primary's name");
    }
  }

  /** What a URL says, nothing else may say otherwise. */
  void findContradictions(const RedisServer& server, const RedisServer& named) {
    if (named.tls && !server.tls) complain("TLS", "write rediss in " + nameOf("URL") + ", which says redis");
    if (isCluster_ && server.kind != Kind::cluster) complain("CLUSTER", "write redis+cluster:// in " + nameOf("URL"));
    if (named.sentinelName && named.sentinelName != server.sentinelName) {
      complain("SENTINEL", "write redis+sentinel://…/" + *named.sentinelName + " in " + nameOf("URL"));
    }
    const auto other = " has another one; give it once";
    if (server.username && named.username && server.username != named.username) {
      complain("USERNAME", nameOf("URL") + other);
    }
    if (server.password && named.password && server.password != named.password) {
      complain("PASSWORD", nameOf("URL") + other);
    }
  }

  void checkFiles(const RedisTls& files, bool isTls) {
    if (files.certFile.has_value() != files.keyFile.has_value()) {
      complain(files.certFile ? "KEY_FILE" : "CERT_FILE", "a certificate needs its key: set both or none");
    }
    const auto check = [&](const char* name, const std::optional<std::string>& file) {
      if (!file) return;
      if (!isTls) {
        complain(name, "is for TLS: set " + nameOf("TLS") + "=true, or write rediss:// in " + nameOf("URL"));
      } else if (access(file->c_str(), R_OK) != 0) {
        complain(name, "cannot read " + *file);
      }
    };
    check("CA_FILE", files.caFile);
    check("CERT_FILE", files.certFile);
    check("KEY_FILE", files.keyFile);
  }

  SettingsReader& reader_;
  const std::string lane_;
  bool isCluster_ = false;
};

}  // namespace

RedisServer readRedisServer(SettingsReader& reader, const std::string& lane) { return LaneReader(reader, lane).read(); }

}  // namespace taskflow
