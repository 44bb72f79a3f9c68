#include "reporter.h"

namespace taskflow {
namespace {

struct Call {
  std::string function;
  std::vector<std::string> args;
};

/** The function that takes an outcome, and its arguments after the id and the token. */
Call callFor(const Outcome& outcome) {
  if (const auto* done = std::get_if<Done>(&outcome)) return {"complete", {done->result}};
  if (const auto* retry = std::get_if<Retry>(&outcome)) {
    const auto delay = retry->delay ? std::to_string(retry->delay->count()) : "";
    return {"fail", {encode(retry->failure), "1", delay}};
  }
  if (const auto* deadLetter = std::get_if<DeadLetter>(&outcome)) {
    return {"fail", {encode(deadLetter->failure), "0", ""}};
  }
  return {"release", {}};
}

Outbox::Result toResult(const RedisReply& reply) {
  if (reply.failed()) return {std::string(reply.error()), {}};
  Outbox::Result result;
  for (std::size_t i = 0; i < reply.size(); i++) result.lostIds.push_back(reply[i].text());
  return result;
}

}  // namespace

bool Reporter::isBusy() const {
  for (const auto& [key, outbox] : outboxes_) {
    if (outbox->isBusy()) return true;
  }
  return false;
}

void Reporter::report(const AttemptPtr& attempt, const Outcome& outcome) {
  if (attempt->isLost()) {
    drop(attempt);
    return options_.onStep();
  }
  auto call = callFor(outcome);
  outboxOf(attempt->shard, call.function).add({attempt, std::move(call.args)});
}

void Reporter::close() {
  for (const auto& [key, outbox] : outboxes_) outbox->close();
}

Outbox& Reporter::outboxOf(Shard& shard, const std::string& function) {
  auto& outbox = outboxes_[{&shard, function}];
  if (!outbox) outbox = openOutbox(shard, function);
  return *outbox;
}

std::unique_ptr<Outbox> Reporter::openOutbox(Shard& shard, const std::string& function) {
  Outbox::Options options;
  options.send = [this, &shard, function](const Outbox::Entries& entries, auto done) {
    std::vector<std::string_view> args{options_.workerId};
    std::vector<AttemptPtr> attempts;
    for (const auto& [attempt, more] : entries) {
      attempts.push_back(attempt);
      args.insert(args.end(), {attempt->claim.id, attempt->claim.token});
      args.insert(args.end(), more.begin(), more.end());
    }
    options_.side->flush(shard, attempts);
    shard.call(function, args, [done = std::move(done)](const RedisReply& reply) { done(toResult(reply)); });
  };
  options.onAccepted = [this](const auto& entries, const auto& lostIds) { free(entries, lostIds); };
  options.onDropped = [this](const Outbox::Entries& entries) {
    for (const auto& entry : entries) drop(entry.attempt);
  };
  options.onStep = [this, &shard, wasAway = false](const std::string& error) mutable {
    // Once an outage, not once a try.
    if (!error.empty() && !wasAway) {
      options_.logger.warn("outcomes are kept until the shard takes them", {{"shard", shard.id}, {"error", error}});
    }
    if (error.empty() && wasAway) options_.logger.info("the shard takes outcomes again", {{"shard", shard.id}});
    wasAway = !error.empty();
    options_.onStep();
  };
  return std::make_unique<Outbox>(options_.loop, std::move(options));
}

void Reporter::free(const Outbox::Entries& entries, const std::vector<std::string>& lostIds) {
  for (const auto& entry : entries) options_.slots.release(entry.attempt);
  // After a call that broke off, this is also how one looks that Redis had already taken.
  for (const auto& id : lostIds) options_.logger.info("lease lost: the outcome was not taken", {{"taskId", id}});
}

void Reporter::drop(const AttemptPtr& attempt) {
  options_.slots.release(attempt);
  const auto& claim = attempt->claim;
  options_.logger.info("lease lost: the outcome was dropped", {{"taskId", claim.id}, {"attempt", claim.attempt}});
}

}  // namespace taskflow
