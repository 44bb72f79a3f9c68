#include "primary_finder.h"

#include <algorithm>
#include <cstdint>

namespace taskflow {
namespace {

/** How often it is looked whether a primary has moved from a server that is frozen, or cut off, and so does not say so itself. */
constexpr Milliseconds watchTime{1'000};

Login loginOf(const RedisServer& server, Login login) {
  if (server.kind == RedisServer::Kind::sentinel) {
    login.username.reset();
    login.password = server.sentinelPassword;
  }
  return login;
}

}  // namespace

int slotOf(std::string_view tag) {
  const auto open = tag.find('{');
  const auto key = tag.substr(open + 1, tag.find('}', open) - open - 1);
  std::uint16_t crc = 0;
  for (const unsigned char byte : key) {
    crc = static_cast<std::uint16_t>(crc ^ (byte << 8));
    for (int bit = 0; bit < 8; bit++) crc = static_cast<std::uint16_t>(crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1);
  }
  return crc % 16'384;
}

class PrimaryFinder::ToPrimary final : public Route {
 public:
  ToPrimary(std::shared_ptr<PrimaryFinder> finder, std::string tag) : finder_(std::move(finder)), tag_(std::move(tag)) {}

  void find(Found found) override {
    finder_->look([tag = tag_, found = std::move(found)](const Primaries& primaries, std::string_view error) {
      const auto primary = primaries.find(tag);
      if (primary == primaries.end()) found(std::nullopt, error);
      else found(primary->second, "");
    });
  }
  bool isToPrimary() const override { return true; }
  void follow(RedisConnection& connection) override { finder_->followers_[&connection] = {tag_, std::nullopt}; }
  void unfollow(RedisConnection& connection) override { finder_->followers_.erase(&connection); }

 private:
  const std::shared_ptr<PrimaryFinder> finder_;
  const std::string tag_;
};

PrimaryFinder::PrimaryFinder(Loop& loop, RedisServer server, std::vector<std::string> tags, Login login,
                             Milliseconds timeout)
    : loop_(loop),
      server_(std::move(server)),
      tags_(std::move(tags)),
      login_(loginOf(server_, std::move(login))),
      timeout_(timeout),
      candidates_(server_.addresses) {
  watchOn();
}

PrimaryFinder::~PrimaryFinder() {
  loop_.cancel(watchTimer_);
  if (scout_) scout_->close();
}

std::shared_ptr<Route> PrimaryFinder::routeTo(const std::string& tag) {
  return std::make_shared<ToPrimary>(shared_from_this(), tag);
}

/** Whoever asks at the same time as others shares one look. */
void PrimaryFinder::look(Heard heard) {
  waiting_.push_back(std::move(heard));
  if (waiting_.size() > 1) return;
  left_ = candidates_.size();
  askNext();
}

void PrimaryFinder::askNext() {
  if (scout_ && scout_->isReady()) return ask();
  dropScout();
  RedisConnection::Listeners listeners;
  const std::weak_ptr<PrimaryFinder> self = shared_from_this();
  listeners.onReady = [self] {
    if (const auto finder = self.lock()) finder->ask();
  };
  listeners.onFailure = [self](std::string_view why) {
    if (const auto finder = self.lock()) finder->tryNext(why);
  };
  scout_ = std::make_shared<RedisConnection>(loop_, std::make_shared<StraightRoute>(candidates_.front()), login_,
                                             timeout_, std::move(listeners));
}

void PrimaryFinder::ask() {
  if (server_.kind == RedisServer::Kind::sentinel) askSentinel();
  else askNode();
}

void PrimaryFinder::askSentinel() {
  scout_->send({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", *server_.sentinelName}, timeout_, [this](const RedisReply& reply) {
    if (!scout_ || !scout_->isReady()) return;  // The failure was heard already.
    if (reply.failed()) return tryNext(reply.error());
    if (reply.size() != 2) return tryNext("the Sentinel knows no primary of the name " + *server_.sentinelName);
    Primaries primaries;
    for (const auto& tag : tags_) primaries[tag] = {reply[0].text(), std::atoi(reply[1].text().c_str())};
    end(primaries, "");
  });
}

void PrimaryFinder::askNode() {
  scout_->send({"CLUSTER", "INFO"}, timeout_, [this](const RedisReply& reply) {
    if (!scout_ || !scout_->isReady()) return;
    if (reply.failed()) return tryNext(reply.error());
    // One that is cut off from the majority remembers how things were.
    if (reply.text().find("cluster_state:ok") == std::string::npos) return tryNext("the cluster is down");
    scout_->send({"CLUSTER", "SLOTS"}, timeout_, [this](const RedisReply& slots) {
      if (!scout_ || !scout_->isReady()) return;
      if (slots.failed()) return tryNext(slots.error());
      onSlots(slots);
    });
  });
}

/** Ranges of slots: from, to, the primary and its replicas (each: host, port, id, more). */
void PrimaryFinder::onSlots(const RedisReply& reply) {
  const auto addressOf = [&](const RedisReply& node) {
    const auto host = node[0].text();
    return RedisAddress{host.empty() ? candidates_.front().host : host, static_cast<int>(node[1].integer())};
  };
  Primaries primaries;
  std::vector<RedisAddress> nodes;
  for (std::size_t i = 0; i < reply.size(); i++) {
    const auto range = reply[i];
    for (std::size_t n = 2; n < range.size(); n++) nodes.push_back(addressOf(range[n]));
    if (range.size() < 3) continue;
    for (const auto& tag : tags_) {
      const auto slot = slotOf(tag);
      if (range[0].integer() <= slot && slot <= range[1].integer()) primaries[tag] = addressOf(range[2]);
    }
  }
  // Nodes that were named at the start may go; others tell of those that came.
  for (const auto& node : nodes) {
    if (std::ranges::find(candidates_, node) == candidates_.end()) candidates_.push_back(node);
  }
  if (primaries.size() < tags_.size()) return tryNext("a part of the cluster's slots is served by nobody");
  end(primaries, "");
}

void PrimaryFinder::tryNext(std::string_view why) {
  dropScout();
  // It is the last one to be asked next time.
  std::ranges::rotate(candidates_, candidates_.begin() + 1);
  if (waiting_.empty()) return;
  if (left_ > 0) left_--;
  if (left_ == 0) return end({}, why);
  askNext();
}

/** It may be the one that calls: it goes when it has returned. */
void PrimaryFinder::dropScout() {
  if (!scout_) return;
  scout_->close();
  loop_.after(Milliseconds(0), [scout = std::exchange(scout_, nullptr)] {});
}

void PrimaryFinder::end(const Primaries& primaries, std::string_view error) {
  for (const auto& heard : std::exchange(waiting_, {})) heard(primaries, error);
}

void PrimaryFinder::watchOn() {
  watchTimer_ = loop_.after(watchTime, [this] {
    watchTimer_ = 0;
    look([self = weak_from_this()](const Primaries& primaries, std::string_view) {
      const auto finder = self.lock();
      if (!finder) return;
      if (!primaries.empty()) finder->hear(primaries);
      finder->watchOn();
    });
  });
}

/** Connections leave when they hear the same twice: right after a failover, some do not know of it yet. */
void PrimaryFinder::hear(const Primaries& primaries) {
  std::vector<RedisConnection*> leaving;
  for (auto& [connection, follower] : followers_) {
    const auto& primary = primaries.at(follower.tag);
    if (!connection->isOpen() || connection->address() == primary) {
      follower.elsewhere.reset();
    } else if (follower.elsewhere == primary) {
      follower.elsewhere.reset();
      leaving.push_back(connection);
    } else {
      follower.elsewhere = primary;
    }
  }
  for (auto* connection : leaving) {
    if (followers_.contains(connection)) connection->leave("it is not the primary any more");
  }
}

}  // namespace taskflow
