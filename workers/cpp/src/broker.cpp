#include "broker.h"

namespace taskflow {

void Shard::call(std::string_view function, const std::vector<std::string_view>& args,
                 RedisConnection::Callback callback) {
  const auto name = "tf1_" + std::string(function);
  std::vector<std::string_view> words{"FCALL", name, "1", tag};
  words.insert(words.end(), args.begin(), args.end());
  lane.redis().send(words, lane.commandTimeout(), std::move(callback));
}

Lane::Lane(Loop& loop, std::string name, RedisServer server, const Settings& settings, QuietLog& failures)
    : loop_(loop),
      name_(std::move(name)),
      server_(std::move(server)),
      commandTimeout_(settings.commandTimeout),
      failures_(failures),
      redis_(connect([this] { onReady_(); })) {
  for (int index = 0; index < settings.shardsPerLane; index++) {
    const auto number = std::to_string(index);
    shards_.push_back({name_ + ":" + number, "{" + settings.prefix + ":" + name_ + ":" + number + "}", *this});
  }
}

std::unique_ptr<RedisConnection> Lane::connect(std::function<void()> onReady,
                                               decltype(RedisConnection::Listeners::onMessage) onMessage) {
  const auto onFailure = [this](std::string_view error) { failures_.warn({{"lane", name_}, {"error", error}}); };
  return std::make_unique<RedisConnection>(
      loop_, server_, commandTimeout_, RedisConnection::Listeners{std::move(onReady), std::move(onMessage), onFailure});
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
