#pragma once

#include <functional>
#include <string>
#include <vector>

#include "attempt.h"
#include "backoff.h"
#include "loop.h"

namespace taskflow {

/**
 * Collects what one function of the broker is to be told, and sends it in one call at a time: what arrives in the same turn,
 * or while a call is on its way, shares the next call. Entries are kept until a call succeeded.
 */
class Outbox {
 public:
  struct Entry {
    AttemptPtr attempt;
    /** What follows the id and the token in the function's arguments. */
    std::vector<std::string> args;
  };
  using Entries = std::vector<Entry>;
  struct Result {
    /** Why the call failed; empty where it succeeded. */
    std::string error;
    /** Ids whose lease was lost. */
    std::vector<std::string> lostIds;
  };
  struct Options {
    /** Sends the entries, and later calls `done`, once. */
    std::function<void(const Entries&, std::function<void(const Result&)> done)> send;
    /** Told of each batch that was accepted, with the ids among it that were refused. */
    std::function<void(const Entries&, const std::vector<std::string>& lostIds)> onAccepted;
    /** Told of entries that were dropped before they were sent, since their lease was lost meanwhile. */
    std::function<void(const Entries&)> onDropped;
    /** Told each time a call ended, after the above. `error` is what it failed with; the entries are kept. */
    std::function<void(const std::string& error)> onStep;
  };

  Outbox(Loop& loop, Options options) : loop_(loop), options_(std::move(options)) {}

  /** A call is on its way or about to be: slots will be free soon. Not so while Redis is away. */
  bool isBusy() const { return backoff_.failures() == 0 && state_ != State::empty; }

  void add(Entry entry);

  /** Gives up what is left. */
  void close() { isClosed_ = true; }

 private:
  enum class State { empty, scheduled, sending, backingOff };

  void flush();
  void onSent(Entries& batch, const Result& result);
  Entries takeBatch();

  Loop& loop_;
  const Options options_;
  Entries entries_;
  State state_ = State::empty;
  Backoff backoff_;
  bool isClosed_ = false;
};

}  // namespace taskflow
