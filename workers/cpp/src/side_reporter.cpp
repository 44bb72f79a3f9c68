#include "side_reporter.h"

#include <algorithm>
#include <cmath>

#include "text.h"

namespace taskflow {
namespace {

/** Progress is coalesced: subscribers get ten values a second of a task at most. Log lines wait as long for company. */
constexpr Milliseconds flushInterval{100};
/** Lines kept of one attempt; then one more says that the rest was dropped. */
constexpr int maxLines = 1'000;
/** Of one record, as JSON. */
constexpr std::size_t maxRecordLength = 8'000;
/** Lines in one call. */
constexpr std::size_t maxBatch = 500;

constexpr const char* levelNames[] = {"debug", "info", "warn", "error"};

}  // namespace

void SideReporter::progress(const Attempt& attempt, double percent, const Json& detail) {
  if (attempt.isSettled() || std::isnan(percent)) return;
  auto text = detail.is_null() ? std::string() : encodeRecord({{"detail", detail}});
  const std::lock_guard lock(mutex_);
  of(attempt.shard).progress[attempt.claim.id] = {attempt.claim.token, std::clamp(percent, 0.0, 100.0), std::move(text)};
}

void SideReporter::log(Attempt& attempt, LogLevel level, std::string_view message, const Json& fields) {
  if (attempt.isSettled()) return;
  const int number = attempt.countLine();
  if (number > maxLines + 1) return;
  Json record{{"level", levelNames[static_cast<int>(level)]}, {"message", message}};
  if (!fields.is_null()) record["fields"] = fields;
  if (number > maxLines) {
    record = {{"level", "warn"}, {"message", "More than 1000 lines: the rest is not kept."}};
  }
  auto text = encodeRecord(record);
  const std::lock_guard lock(mutex_);
  of(attempt.shard).lines.push_back({attempt.claim.id, attempt.claim.token, number, std::move(text)});
}

/** With the lock held. */
SideReporter::Pending& SideReporter::of(Shard& shard) {
  if (!isScheduled_) {
    isScheduled_ = true;
    inbox_->post([self = shared_from_this()] { self->loop_.after(flushInterval, [self] { self->flushAll(); }); });
  }
  return pending_[&shard];
}

void SideReporter::flushAll() {
  std::unordered_map<Shard*, Pending> pending;
  {
    const std::lock_guard lock(mutex_);
    isScheduled_ = false;
    pending.swap(pending_);
  }
  for (const auto& [shard, each] : pending) send(*shard, each);
}

void SideReporter::flush(Shard& shard, const std::vector<AttemptPtr>& ended) {
  Pending pending;
  {
    const std::lock_guard lock(mutex_);
    const auto found = pending_.find(&shard);
    if (found == pending_.end()) return;
    pending.lines.swap(found->second.lines);
    for (const auto& attempt : ended) pending.progress.insert(found->second.progress.extract(attempt->claim.id));
  }
  send(shard, pending);
}

void SideReporter::send(Shard& shard, const Pending& pending) {
  sendLines(shard, pending.lines);
  if (!pending.progress.empty()) sendProgress(shard, pending.progress);
}

void SideReporter::sendLines(Shard& shard, const std::vector<Pending::Line>& lines) {
  for (std::size_t start = 0; start < lines.size(); start += maxBatch) {
    const auto end = std::min(start + maxBatch, lines.size());
    std::vector<std::string> numbers;
    for (auto i = start; i < end; i++) numbers.push_back(std::to_string(lines[i].number));
    std::vector<std::string_view> args;
    for (auto i = start; i < end; i++) {
      args.insert(args.end(), {lines[i].id, lines[i].token, numbers[i - start], lines[i].record});
    }
    shard.call("log", args, [this, count = end - start](const RedisReply& reply) {
      if (reply.failed()) logger_.warn("log lines were not taken", {{"lines", count}, {"error", reply.error()}});
    });
  }
}

void SideReporter::sendProgress(Shard& shard, const std::map<std::string, Pending::Progress>& progress) {
  std::vector<std::string> percents;
  for (const auto& [id, each] : progress) percents.push_back(encode(Json(each.percent)));
  std::vector<std::string_view> args;
  std::size_t i = 0;
  for (const auto& [id, each] : progress) args.insert(args.end(), {id, each.token, percents[i++], each.detail});
  shard.call("progress", args, [this](const RedisReply& reply) {
    if (reply.failed()) logger_.debug("progress was not taken", {{"error", reply.error()}});
  });
}

std::string encodeRecord(const Json& record) {
  auto text = encode(record);
  if (lengthOf(text) <= maxRecordLength) return text;
  const auto message = record.value("message", std::string());
  return encode({{"level", record.value("level", "info")},
                 {"message", beginningOf(message, maxRecordLength / 2)},
                 {"isCut", true}});
}

}  // namespace taskflow
