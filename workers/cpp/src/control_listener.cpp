#include "control_listener.h"

namespace taskflow {
namespace {

/** Takes the text before the next tab off. */
std::string_view nextField(std::string_view& text) {
  const auto tab = text.find('\t');
  const auto field = text.substr(0, tab);
  text = tab == std::string_view::npos ? "" : text.substr(tab + 1);
  return field;
}

}  // namespace

ControlListener::ControlListener(Options options)
    : options_(std::move(options)),
      connection_(options_.lane.connect([this] { subscribe(); },
                                        [this](auto channel, auto message) { hear(channel, message); })) {}

void ControlListener::subscribe() {
  // Messages of all shards reach every server of a cluster. A command each, since each is answered.
  for (const auto& shard : options_.lane.shards()) {
    connection_->send({"SUBSCRIBE", shard.controlChannel()}, options_.lane.commandTimeout(), [this](const RedisReply& reply) {
      if (reply.failed()) options_.logger.debug("the control channel was closed", {{"error", reply.error()}});
    });
  }
  if (wasReady_) options_.onGap();
  wasReady_ = true;
}

void ControlListener::hear(std::string_view channel, std::string_view message) {
  if (nextField(message) != options_.workerId) return;
  const std::string id(nextField(message));
  const auto token = nextField(message);
  for (const auto& shard : options_.lane.shards()) {
    if (shard.controlChannel() != channel) continue;
    const auto attempt = options_.slots.find(shard, id);
    if (!attempt || attempt->claim.token != token) return;
    options_.logger.info("the task was cancelled: its handler is told to stop", {{"taskId", id}});
    attempt->stop(StopReason::cancelled);
  }
}

}  // namespace taskflow
