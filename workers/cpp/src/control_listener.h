#pragma once

#include <functional>
#include <memory>

#include "broker.h"
#include "slots.h"

namespace taskflow {

/** Hears at once, on a connection of its own, which of this worker's tasks are to stop. */
class ControlListener {
 public:
  struct Options {
    Lane& lane;
    std::string workerId;
    Slots& slots;
    /** Called when messages may have been missed: the broker is to be asked instead. */
    std::function<void()> onGap;
    const Logger& logger;
  };

  explicit ControlListener(Options options);

  void close() { connection_->close(); }

 private:
  void subscribe();
  void hear(std::string_view channel, std::string_view message);

  const Options options_;
  std::unique_ptr<RedisConnection> connection_;
  bool wasReady_ = false;
};

}  // namespace taskflow
