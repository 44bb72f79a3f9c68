#include "broker.h"

namespace taskflow {

void Shard::call(std::string_view function, const std::vector<std::string_view>& args,
                 RedisConnection::Callback callback) {
  const auto name = "tf1_" + std::string(function);
  std::vector<std::string_view> words{"FCALL", name, "1", tag};
  words.insert(words.end(), args.begin(), args.end());
  redis->send(words, lane.commandTimeout(), std::move(callback));
}

std::unique_ptr<RedisConnection> Shard::connect(std::function<void()> onReady) const {
  return lane.connect(std::move(onReady), [](auto, auto) {}, route);
}

Lane::Lane(Loop& loop, std::string name, const RedisServer& server, const Settings& settings, QuietLog& failures)
    : loop_(loop),
      name_(std::move(name)),
      login_{server.username, server.password, server.tls ? std::make_shared<TlsContext>(*server.tls) : nullptr},
      commandTimeout_(settings.commandTimeout),
      failures_(failures) {
  std::vector<std::string> tags;
  for (int index = 0; index < settings.shardsPerLane; index++) {
    tags.push_back("{" + settings.prefix + ":" + name_ + ":" + std::to_string(index) + "}");
  }
  std::shared_ptr<PrimaryFinder> finder;
  if (server.kind != RedisServer::Kind::server) {
    finder = std::make_shared<PrimaryFinder>(loop_, server, tags, login_, commandTimeout_);
  }
  for (std::size_t index = 0; index < tags.size(); index++) {
    std::shared_ptr<Route> route = std::make_shared<StraightRoute>(server.addresses.front());
    if (finder) route = finder->routeTo(tags[index]);
    std::shared_ptr<RedisConnection> redis;
    if (index == 0) redis = connect([this] { onReady_(); }, [](auto, auto) {}, route);
    else if (server.kind == RedisServer::Kind::cluster) redis = connect([] {}, [](auto, auto) {}, route);
    else redis = shards_.front().redis;
    shards_.push_back({name_ + ":" + std::to_string(index), tags[index], *this, std::move(redis), std::move(route)});
  }
}

std::unique_ptr<RedisConnection> Lane::connect(std::function<void()> onReady,
                                               decltype(RedisConnection::Listeners::onMessage) onMessage,
                                               std::shared_ptr<Route> route) {
  const auto onFailure = [this](std::string_view error) { failures_.warn({{"lane", name_}, {"error", error}}); };
  return std::make_unique<RedisConnection>(
      loop_, route ? std::move(route) : shards_.front().route, login_, commandTimeout_,
      RedisConnection::Listeners{std::move(onReady), std::move(onMessage), onFailure});
}

Broker::Broker(Loop& loop, const Settings& settings, const Logger& logger)
    : Broker(loop, settings, std::make_unique<QuietLog>(logger, "no connection to Redis; trying again")) {}

Broker::Broker(Loop& loop, const Settings& settings, std::unique_ptr<QuietLog> failures)
    : high(loop, "high", settings.high, settings, *failures),
      low(loop, "low", settings.low, settings, *failures),
      failures_(std::move(failures)) {}

std::vector<Shard*> Broker::shards() {
  std::vector<Shard*> all;
  for (auto* lane : lanes()) {
    for (auto& shard : lane->shards()) all.push_back(&shard);
  }
  return all;
}

}  // namespace taskflow
