#include "attempt.h"
#include "broker.h"
#include "check.h"
#include "outbox.h"
#include "slots.h"

namespace taskflow {
namespace {

/** A shard of a lane whose loop does not run: it is never connected. */
Shard& someShard() {
  static const Logger logger("silent");
  static QuietLog failures(logger, "");
  static Loop loop;
  static Lane lane(loop, "low", {}, {}, failures);
  return lane.shards().front();
}

AttemptPtr attemptAt(const std::string& id) {
  Claim claim;
  claim.id = id;
  return std::make_shared<Attempt>(claim, someShard());
}

/** An outbox with a broker that answers when the test says so. */
class Fixture {
 public:
  Fixture()
      : outbox(loop, {[this](const auto& entries, auto done) {
                        std::string ids;
                        for (const auto& entry : entries) ids += entry.attempt->claim.id;
                        sent.push_back(ids);
                        answer = done;
                      },
                      [this](const auto& entries, const auto& lost) { accepted += entries.size(), lostCount += lost.size(); },
                      [this](const auto& entries) { dropped += entries.size(); },
                      [](const auto&) {}}) {}

  /** Runs what is due, until a timer of so many ms would have rung. */
  void turn(Milliseconds wait = Milliseconds(0)) {
    loop.after(wait, [this] { loop.stop(); });
    loop.run();
  }

  Loop loop;
  std::vector<std::string> sent;
  std::function<void(const Outbox::Result&)> answer;
  std::size_t accepted = 0;
  std::size_t lostCount = 0;
  std::size_t dropped = 0;
  Outbox outbox;
};

TEST("what comes in the same turn, or while a call is on its way, shares the next call") {
  Fixture f;
  f.outbox.add({attemptAt("a"), {}});
  f.outbox.add({attemptAt("b"), {}});
  expectEqual(f.sent.size(), 0u);
  f.turn();
  f.outbox.add({attemptAt("c"), {}});
  f.outbox.add({attemptAt("d"), {}});
  f.turn();
  expectEqual(f.sent.size(), 1u);
  f.answer({"", {"b"}});
  expectEqual(f.accepted, 2u);
  expectEqual(f.lostCount, 1u);
  expectEqual(f.sent.at(0) + " " + f.sent.at(1), "ab cd");
  f.answer({"", {}});
  expectTrue(!f.outbox.isBusy(), "it is done");
}

TEST("what was not taken is kept, without what was lost meanwhile") {
  Fixture f;
  const auto lost = attemptAt("a");
  f.outbox.add({lost, {}});
  f.outbox.add({attemptAt("b"), {}});
  f.turn();
  f.answer({"Redis is away", {}});
  expectTrue(!f.outbox.isBusy(), "waiting for Redis frees no slots soon");
  f.outbox.add({attemptAt("c"), {}});
  lost->markLost();
  f.turn(Milliseconds(80));
  expectEqual(f.sent.size(), 2u);
  expectEqual(f.sent.at(1), "bc");
  expectEqual(f.dropped, 1u);
}

TEST("a call takes 500 entries, or 4 MiB") {
  Fixture f;
  for (int i = 0; i < 501; i++) f.outbox.add({attemptAt("x"), {}});
  for (int i = 0; i < 3; i++) f.outbox.add({attemptAt("y"), {std::string(2'500'000, '-')}});
  f.turn();
  expectEqual(f.sent.back().size(), 500u);
  for (const auto* rest : {"xy", "y", "y"}) {
    f.answer({"", {}});
    expectEqual(f.sent.back(), rest);
  }
}

TEST("a handler that goes on without its slot is abandoned, and their number is bounded") {
  Slots slots(2);
  std::vector<AttemptPtr> stuck;
  for (int i = 0; i < 3; i++) {
    const auto attempt = stuck.emplace_back(attemptAt(std::to_string(i)));
    attempt->setRunning(true);
    slots.take(attempt);
    slots.release(attempt);
    expectEqual(slots.free(), i < 2 ? 2 : 1);
  }
  slots.endHandler(stuck[0]);
  expectEqual(slots.free(), 2);
  expectEqual(slots.abandoned(), 2);
}

TEST("a second attempt at a task takes the place of the first") {
  Slots slots(5);
  const auto first = attemptAt("a");
  const auto second = attemptAt("a");
  expectTrue(slots.take(first) == nullptr && slots.take(second) == first, "the first is handed out");
  slots.release(first);
  expectTrue(slots.find(someShard(), "a") == second, "the second stays");
  bool isDrained = false;
  slots.onDrained([&] { isDrained = true; });
  slots.release(second);
  expectTrue(isDrained, "nothing is left");
}

TEST("a queue with a limit takes some of the slots, and what is reserved for it is taken from all") {
  Slots slots(3);
  ClaimSlots all(slots);
  ClaimSlots limited(slots, "", 2);
  expectEqual(limited.concurrency(), 2);
  limited.reserve(1);
  expectEqual(limited.free(), 1);
  expectEqual(all.free(), 2);
  slots.take(attemptAt("a"));
  expectEqual(limited.free(), 0);
  limited.unreserve(1);
  all.reserve(2);
  expectEqual(limited.free(), 0);
  all.unreserve(2);
  expectEqual(limited.free(), 1);
  expectEqual(ClaimSlots(slots, "other", 9).concurrency(), 3);
}

TEST("only the first reason to stop counts") {
  const auto attempt = attemptAt("a");
  StopReason seen = StopReason::none;
  const std::stop_callback callback(attempt->stopToken(), [&] { seen = attempt->stopReason(); });
  attempt->stop(StopReason::cancelled);
  attempt->stop(StopReason::timedOut);
  expectTrue(seen == StopReason::cancelled && attempt->stopReason() == StopReason::cancelled, "cancelled");
}

}  // namespace
}  // namespace taskflow
